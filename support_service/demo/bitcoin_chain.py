"""The demo's Bitcoin: a local node (bcoin) on regtest, and readers on it who give. Loopback and regtest alone."""

import json
import shutil
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithPriorAuth, ProxyHandler, Request, build_opener

from support_service.demo.bitcoin_transactions import Lock, UnspentOutput, payment, with_prefix, witness_script
from support_service.demo.evm_chain import ChainGift
from support_service.demo.json_values import Json
from support_service.supervisor import Child, ProcessError

CHAIN = "regtest"
GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
# Blocks until segwit is in force on this chain; rewards can be spent long before that.
BLOCKS_FIRST = 440
BLOCK_SECONDS = 4
NODE_SECONDS_MAX = 10
USER = "demo"
# bcoin writes addresses of its regtest with a prefix of its own.
_PREFIX = "rb"
# How this node is asked for a block with its transactions.
_WITH_TRANSACTIONS = (True, True)

GIFTS = (
    ChainGift("0.0005 BTC from a wallet", "BTC", 50_000),
    ChainGift("0.00012345 BTC from a wallet", "BTC", 12_345),
    ChainGift("0.0021 BTC from a wallet", "BTC", 210_000),
)


def node_child(folder: Path, port: int, password: str, environment: Mapping[str, str]) -> Child:
    """Describe the local node as a child: nothing on disk, one port, no peers. ProcessError where it is missing."""
    script = Path(sys.prefix) / "node" / "node_modules" / "bcoin" / "bin" / "node"
    binary = shutil.which("node")
    if binary is None or not script.exists():
        raise ProcessError("the local Bitcoin node (bcoin) is missing; `make setup` installs it")
    options = {
        "network": CHAIN,
        "memory": "true",
        "prefix": folder,
        "http-host": "127.0.0.1",
        "http-port": port,
        "log-level": "none",
        "log-file": "false",
        "workers": "false",
        "listen": "false",
        # Nobody listens there, and nobody else is ever asked.
        "only": "127.0.0.1:9",
        "no-wallet": "true",
    }
    # In plain JavaScript, so that nothing has to be compiled; the password where other users do not see it.
    own = {"NODE_BACKEND": "js", "BCOIN_NETWORK": CHAIN, "BCOIN_API_KEY": password}
    command = [binary, str(script), *(f"--{name}={value}" for name, value in options.items())]
    return Child("local Bitcoin chain", command, {**environment, **own}, is_vital=True)


def node_url(port: int, password: str) -> str:
    """Where the local node answers, with its password, as the settings want it."""
    return f"http://{USER}:{password}@127.0.0.1:{port}"


def on_this_chain(address: str) -> str:
    """Write a bech32 address of any Bitcoin network for this chain: the same script, another prefix."""
    return with_prefix(address, "bcrt")


class LocalBitcoin:
    """A node on regtest, spoken to in its JSON-RPC; its coins are there for everybody."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.hostname != "127.0.0.1":
            raise ProcessError("the demo sends transactions to this machine alone")
        # With its password, as the settings want it.
        self.url = url
        self._url = f"http://127.0.0.1:{parts.port}/"
        known = HTTPPasswordMgrWithPriorAuth()
        known.add_password(None, self._url, parts.username or "", parts.password or "", is_authenticated=True)
        self._opener = build_opener(ProxyHandler({}), HTTPBasicAuthHandler(known))
        self._purse = Lock(0)
        self._coin: UnspentOutput | None = None

    def is_up(self) -> bool:
        """Tell whether the node answers."""
        try:
            self.ask("getblockchaininfo")
        except OSError:
            return False
        return True

    def claim(self) -> None:
        """Make sure that this is a new regtest chain, and mine coins to give; ProcessError for any other."""
        if self.ask("getblockhash", 0) != GENESIS or self.height():
            raise ProcessError("the demo sends transactions to a new regtest chain alone; this is another")
        block = self.mine(BLOCKS_FIRST)
        reward = self.ask("getblock", block, *_WITH_TRANSACTIONS)["tx"][0]
        self._coin = UnspentOutput(reward["txid"], 0, int(Decimal(reward["vout"][0]["value"]).scaleb(8)), self._purse)

    def mine(self, blocks: int = 1) -> str:
        """Mine blocks, with all that waits in the first of them; return the hash of that one."""
        return str(self.ask("generatetoaddress", blocks, self._purse.address(_PREFIX))[0])

    def height(self) -> int:
        """Return the height of the head."""
        return int(self.ask("getblockchaininfo")["blocks"])

    def give(self, gift: ChainGift, to: str) -> str:
        """Send one gift to a bech32 address and return the id of its transaction."""
        assert self._coin is not None, "claim the chain before sending to it"
        sent = payment([self._coin], [(witness_script(to), gift.units)], change=self._purse)
        self.ask("sendrawtransaction", sent.raw.hex())
        self._coin = sent.coin(1, self._purse)
        return sent.txid

    def ask(self, method: str, *params: Json) -> Json:
        """Ask the node; OSError where it does not answer, ProcessError where it refuses. Amounts are Decimals."""
        body = json.dumps({"id": 1, "method": method, "params": params}).encode()
        request = Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - built above
        with self._opener.open(request, timeout=NODE_SECONDS_MAX) as answer:
            told = json.load(answer, parse_float=Decimal)
        if told["error"] is not None:
            raise ProcessError(f"the local Bitcoin chain refused {method}: {told['error'].get('message')}")
        return told["result"]
