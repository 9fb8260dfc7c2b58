"""The demo's chain: a local node, and readers on it who give. Loopback and chain id 31337 alone."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from support_service.demo.json_values import Json
from support_service.rails.evm.address import checksummed
from support_service.settings import resource
from support_service.supervisor import Child, ProcessError

CHAIN_ID = 31337
TOKENS = ("USDT", "USDC", "DAI")
TOKEN_EXPONENT = 6  # of the contract that stands in for all three

BLOCK_SECONDS = 2
# Finality trails the head by two epochs: 2 x 4 blocks of 2 seconds make a newcomer wait 16 seconds.
EPOCH_BLOCKS = 4
STATES_KEPT = 2_000
NODE_SECONDS_MAX = 10

# The first four bytes of keccak256 of transfer(address,uint256) and of the payer's pay(address).
_TRANSFER, _PAY = "0xa9059cbb", "0x0c11dedd"
_GAS_UNITS_MAX = 3_000_000
_PAYER = "payer"


@dataclass(frozen=True, slots=True)
class ChainGift:
    """What one reader gives: in words, and as a transaction of the node's own accounts.

    The same local chain stands for TRON as well: there USDT alone is given.
    """

    words: str
    asset: str
    units: int
    is_by_contract: bool = False
    is_on_tron: bool = False


# Four ways money arrives, in amounts that readers give; one of each first, so that a newcomer soon sees them all.
GIFTS = (
    ChainGift("0.02 ETH from a wallet", "ETH", 2 * 10**16),
    ChainGift("12.34 USDT over TRON", "USDT", 12_340_000, is_on_tron=True),
    ChainGift("0.15 ETH paid out by a contract", "ETH", 15 * 10**16, is_by_contract=True),
    ChainGift("25 USDT from a wallet", "USDT", 25 * 10**6),
    ChainGift("0.005 ETH from a wallet", "ETH", 5 * 10**15),
    ChainGift("4.2 USDC from a wallet", "USDC", 4_200_000),
    ChainGift("0.0301 ETH paid out by a contract", "ETH", 301 * 10**14, is_by_contract=True),
    ChainGift("50 USDT over TRON", "USDT", 50 * 10**6, is_on_tron=True),
    ChainGift("10.5 DAI from a wallet", "DAI", 10_500_000),
)


def node_child(folder: Path, port: int, environment: dict[str, str]) -> Child:
    """Describe the local node as a child; ProcessError where it is not installed."""
    found = sorted((Path(sys.prefix) / "node" / "node_modules").glob("@foundry-rs/anvil-*/bin/anvil"))
    binary = str(found[0]) if found else shutil.which("anvil")
    if binary is None:
        raise ProcessError("the local EVM node (anvil) is missing; `make setup` installs it")
    options = {
        "--host": "127.0.0.1",
        "--port": port,
        "--chain-id": CHAIN_ID,
        "--block-time": BLOCK_SECONDS,
        "--slots-in-an-epoch": EPOCH_BLOCKS,
        "--max-persisted-states": STATES_KEPT,
        "--cache-path": folder,
        "--order": "fifo",
    }
    words = [str(word) for option in options.items() for word in option]
    return Child("local chain", [binary, *words, "--silent"], environment, is_vital=True)


class LocalChain:
    """The demo's node, spoken to in plain JSON-RPC; its first accounts are unlocked and rich."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            raise ProcessError("the demo sends transactions to this machine alone")
        self._url, self._opener = url, build_opener(ProxyHandler({}))
        self._accounts: list[str] = []
        self._deployments: dict[str, str] = {}
        self.contracts: dict[str, str] = {}

    def is_up(self) -> bool:
        """Tell whether the node answers."""
        try:
            self._ask("eth_chainId")
        except OSError:
            return False
        return True

    def claim(self) -> None:
        """Make sure that this is the demo's own chain; ProcessError for any other."""
        found = int(self._ask("eth_chainId"), 16)
        if found != CHAIN_ID:
            raise ProcessError(f"the demo sends transactions to chain {CHAIN_ID} alone; this one is {found}")
        self._accounts = self._ask("eth_accounts")

    def deploy(self) -> None:
        """Send the tokens and the paying contract; they are there once `is_deployed`."""
        made = json.loads(resource("demo/contracts.json").read_text(encoding="utf-8"))["contracts"]
        self._deployments = {code: self._send(data=made["PlainToken"]["bytecode"]) for code in TOKENS}
        self._deployments[_PAYER] = self._send(data=made["Payer"]["bytecode"])

    def is_deployed(self) -> bool:
        """Tell whether every contract stands in a block; from then on `contracts` knows its address."""
        for name, transaction in self._deployments.items():
            receipt = self._ask("eth_getTransactionReceipt", transaction)
            if receipt is not None:
                self.contracts[name] = checksummed(receipt["contractAddress"])
        return len(self.contracts) == len(self._deployments)

    def height(self) -> int:
        """Return the height of the head."""
        return int(self._ask("eth_blockNumber"), 16)

    def give(self, gift: ChainGift, to: str, turn: int) -> str:
        """Send one gift to the address and return the hash of its transaction."""
        receiver = to[2:].lower().rjust(64, "0")
        if gift.asset in TOKENS:
            return self._send(to=self.contracts[gift.asset], data=f"{_TRANSFER}{receiver}{gift.units:064x}")
        giver = 1 + turn % (len(self._accounts) - 1)
        if gift.is_by_contract:
            return self._send(to=self.contracts[_PAYER], value=gift.units, data=_PAY + receiver, account=giver)
        return self._send(to=to, value=gift.units, account=giver)

    def _send(self, *, to: str | None = None, value: int = 0, data: str = "0x", account: int = 0) -> str:
        assert self._accounts, "claim the chain before sending to it"
        transaction = {"from": self._accounts[account], "value": hex(value), "data": data, "gas": hex(_GAS_UNITS_MAX)}
        if to is not None:
            transaction["to"] = to
        return str(self._ask("eth_sendTransaction", transaction))

    def _ask(self, method: str, *params: Json) -> Json:
        """Ask the node; OSError where it does not answer, ProcessError where it refuses."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
        with self._opener.open(request, timeout=NODE_SECONDS_MAX) as answer:
            told = json.load(answer)
        if "error" in told:
            raise ProcessError(f"the local chain refused {method}: {told['error'].get('message')}")
        return told["result"]
