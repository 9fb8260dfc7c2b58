"""A chain in memory, told in Bitcoin Core's JSON-RPC and in Esplora's HTTP API, with what one can set wrong.

It stands in for what the local test node has not: the filter index, the search through unspent outputs,
pruning, a node that is not ready, and one that is too old. Written from both APIs' public descriptions; no
consensus rules.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

from embit import bech32

from support_service import watcher
from support_service.giving import Watch
from support_service.ledger import Ledger
from support_service.money import Asset
from support_service.rails.bitcoin.network import read_network
from support_service.rails.bitcoin.node import GENESIS
from support_service.rails.bitcoin.source import BitcoinSource
from tests.fixtures.database import prepare
from tests.fixtures.world import fixed_clock

Json: TypeAlias = Any
BTC = Asset("BTC", 8, "bitcoin")
COIN = 10**8


def address(number: int) -> str:
    """A regtest address that nobody has the key of."""
    return str(bech32.encode("bcrt", 0, bytes([number]) * 20))


def script(number: int) -> str:
    """The script of that address."""
    return f"0014{bytes([number]).hex() * 20}"


US, ALSO_US, STRANGER = 1, 2, 200


@dataclass
class Tx:
    """A transaction: what it spends as (txid, vout), what it makes as (script, satoshi)."""

    spends: list[tuple[str, int]]
    pays: list[tuple[str, int]]
    salt: str = ""
    is_coinbase: bool = False

    @property
    def txid(self) -> str:
        """Its id."""
        text = json.dumps([self.spends, self.pays, self.salt, self.is_coinbase])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Made:
    """A block."""

    hash: str
    height: int
    parent: str
    txs: list[Tx]
    time: int


@dataclass
class FakeChain:
    """Blocks, and transactions that wait. `told` overrides members of getblockchaininfo."""

    blocks: list[Made] = field(default_factory=list)
    pool: list[Tx] = field(default_factory=list)
    txs: dict[str, Tx] = field(default_factory=dict)
    count: int = 0
    has_prevouts: bool = True
    has_filters: bool = False
    has_search: bool = True
    told: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hides: set[str] = field(default_factory=set)
    spoil: Callable[[Json], Json] = lambda tx: tx

    def __post_init__(self) -> None:
        self.blocks.append(Made(GENESIS["regtest"][0], 0, "", [], 1_296_688_602))
        self.mine(10)

    @property
    def height(self) -> int:
        """The head."""
        return self.blocks[-1].height

    def mine(self, count: int = 1, *txs: Tx, to: str = script(STRANGER)) -> Made:
        """Add blocks; the first of them holds the transactions."""
        for number in range(count):
            self.count += 1
            reward = self.note(Tx([], [(to, 50 * COIN), ("6a24aa21a9ed", 0)], str(self.count), is_coinbase=True))
            inside = [reward, *(txs if number == 0 else ())]
            parent = self.blocks[-1]
            digest = hashlib.sha256(f"{parent.hash}{self.count}".encode()).hexdigest()
            self.blocks.append(Made(digest, parent.height + 1, parent.hash, inside, 1_700_000_000 + 600 * self.count))
        self.pool = [one for one in self.pool if one not in txs]
        return self.blocks[-count]

    def note(self, tx: Tx) -> Tx:
        """Know a transaction by its id."""
        self.txs[tx.txid] = tx
        return tx

    def gift(self, *pays: tuple[str, int]) -> Tx:
        """A stranger's payment, not in a block yet."""
        self.count += 1
        coin = self.note(Tx([], [(script(STRANGER), 100 * COIN)], f"coin{self.count}", is_coinbase=True))
        return self.note(Tx([(coin.txid, 0)], list(pays)))

    def spend(self, *spends: tuple[str, int], pays: list[tuple[str, int]]) -> Tx:
        """A payment of given coins."""
        return self.note(Tx(list(spends), pays))

    def drop(self, count: int) -> list[Made]:
        """Take blocks away, as a reorganisation does."""
        gone = self.blocks[-count:]
        del self.blocks[-count:]
        return gone

    def unspent(self, wanted: str) -> list[tuple[str, int, int, int]]:
        """Coins of a script: (txid, vout, units, height)."""
        spent = {outpoint for block in self.blocks for tx in block.txs for outpoint in tx.spends}
        return [
            (tx.txid, vout, units, block.height)
            for block in self.blocks
            for tx in block.txs
            for vout, (owner, units) in enumerate(tx.pays)
            if owner == wanted and (tx.txid, vout) not in spent
        ]

    def touches(self, tx: Tx, wanted: str) -> bool:
        """Tell whether a script gets or spends something."""
        paid = any(owner == wanted for owner, _ in tx.pays)
        return paid or any(self.txs[txid].pays[vout][0] == wanted for txid, vout in tx.spends)


def btc(units: int) -> Json:
    """An amount as Bitcoin Core writes it: a number with 8 decimals; marked, for Python would write a float."""
    return f"@{units // COIN}.{units % COIN:08d}@"


def written(told: Json) -> bytes:
    """JSON with amounts as numbers."""
    return re.sub(r'"@([0-9.]+)@"', r"\1", json.dumps(told)).encode()


class Refused(Exception):
    """What a node answers with an error (code, message)."""


def core(chain: FakeChain, method: str, params: list[Json]) -> Json:
    """Answer one JSON-RPC question."""
    if method in chain.errors:
        raise Refused(*chain.errors[method])
    by_hash = {block.hash: block for block in chain.blocks}
    match method, params:
        case "getblockchaininfo", []:
            head = chain.blocks[-1]
            told = {"chain": "regtest", "blocks": head.height, "headers": head.height, "bestblockhash": head.hash}
            return {**told, "initialblockdownload": False, "pruned": False, **chain.told}
        case "getblockhash", [height]:
            if not 0 <= height <= chain.height:
                raise Refused(-8, "Block height out of range")
            return chain.blocks[height].hash
        case "getblockheader", [digest]:
            return {"hash": digest, "time": by_hash[digest].time}
        case "getblock", [digest, 3] if digest in by_hash:
            return core_block(chain, by_hash[digest], with_prevouts=chain.has_prevouts)
        case "getblock", _:
            raise Refused(-5, "Block not found")
    return searched(chain, method, params)


def searched(chain: FakeChain, method: str, params: list[Json]) -> Json:
    """Answer what only some nodes answer."""
    match method, params:
        case "scantxoutset", ["start", [descriptor]] if chain.has_search:
            coins = chain.unspent(descriptor[4:-1])
            rows = [
                {"txid": txid, "vout": vout, "scriptPubKey": descriptor[4:-1], "amount": btc(units), "height": height}
                for txid, vout, units, height in coins
            ]
            head = chain.blocks[-1]
            total = btc(sum(units for _, _, units, _ in coins))
            place = {"height": head.height, "bestblock": head.hash}
            return {"success": True, **place, "unspents": rows, "total_amount": total}
        case "scantxoutset", ["status"] if chain.has_search:
            return None  # no search is on its way
        case "getindexinfo", _ if chain.has_filters:
            return {"basic block filter index": {"synced": True, "best_block_height": chain.height}}
        case "scanblocks", ["start", descriptors, first, last, "basic"] if chain.has_filters:
            wanted = [one[4:-1] for one in descriptors]
            hits = [
                block.hash
                for block in chain.blocks[first : last + 1]
                if any(chain.touches(tx, one) for tx in block.txs for one in wanted)
            ]
            return {"from_height": first, "to_height": last, "relevant_blocks": hits, "completed": True}
    raise Refused(-32601, "Method not found")


def core_block(chain: FakeChain, block: Made, *, with_prevouts: bool) -> Json:
    """A block with its transactions in full."""

    def told_input(tx: Tx, outpoint: tuple[str, int]) -> Json:
        owner, units = chain.txs[outpoint[0]].pays[outpoint[1]]
        prevout = {"value": btc(units), "scriptPubKey": {"hex": owner}}
        return {"txid": outpoint[0], "vout": outpoint[1], **({"prevout": prevout} if with_prevouts else {})}

    txs = [
        {
            "txid": tx.txid,
            "vin": [{"coinbase": "00"}] if tx.is_coinbase else [told_input(tx, one) for one in tx.spends],
            "vout": [
                {"n": vout, "value": btc(units), "scriptPubKey": {"hex": owner}}
                for vout, (owner, units) in enumerate(tx.pays)
            ],
        }
        for tx in block.txs
        if tx.txid not in chain.hides
    ]
    txs = [chain.spoil(tx) for tx in txs]
    place = {"hash": block.hash, "height": block.height, "time": block.time}
    above = next((one.hash for one in chain.blocks if one.parent == block.hash), None)
    return {**place, "nextblockhash": above, "previousblockhash": block.parent or None, "tx": txs}


def esplora(chain: FakeChain, path: str) -> Json:
    """Answer one GET; a str goes out as text."""
    by_hash = {block.hash: block for block in chain.blocks}
    match path.strip("/").split("/"):
        case ["blocks", "tip", "hash"]:
            return chain.blocks[-1].hash
        case ["block-height", height] if int(height) <= chain.height:
            return chain.blocks[int(height)].hash
        case ["block", digest] if digest in by_hash:
            block = by_hash[digest]
            return {"id": digest, "height": block.height, "timestamp": block.time, "previousblockhash": block.parent}
        case ["scripthash", wanted]:
            return {"chain_stats": sums(chain, wanted), "mempool_stats": {"tx_count": len(waiting(chain, wanted))}}
        case ["scripthash", wanted, "txs", "mempool"]:
            return [esplora_tx(chain, tx, None) for tx in waiting(chain, wanted)]
        case ["scripthash", wanted, "txs", "chain", *after]:
            history = [
                esplora_tx(chain, tx, block)
                for block in reversed(chain.blocks)
                for tx in block.txs
                if chain.touches(tx, owner_of(chain, wanted)) and tx.txid not in chain.hides
            ]
            ids = [one["txid"] for one in history]
            first = ids.index(after[0]) + 1 if after else 0
            return history[first : first + 25]
        case ["tx", txid]:
            mined = {tx.txid: block for block in chain.blocks for tx in block.txs}
            if txid in mined or any(tx.txid == txid for tx in chain.pool):
                return esplora_tx(chain, chain.txs[txid], mined.get(txid))
    raise Refused(404, "not found")


def owner_of(chain: FakeChain, wanted: str) -> str:
    """The script of that hash."""
    scripts = {owner for tx in chain.txs.values() for owner, _ in tx.pays} | {script(US), script(ALSO_US)}
    return next(one for one in scripts if hashlib.sha256(bytes.fromhex(one)).hexdigest() == wanted)


def waiting(chain: FakeChain, wanted: str) -> list[Tx]:
    """Waiting transactions that touch a script."""
    return [tx for tx in chain.pool if chain.touches(tx, owner_of(chain, wanted))]


def sums(chain: FakeChain, wanted: str) -> Json:
    """What a script got and spent in blocks."""
    mine = owner_of(chain, wanted)
    inside = [tx for block in chain.blocks for tx in block.txs]
    got = sum(units for tx in inside for owner, units in tx.pays if owner == mine)
    sources = [chain.txs[txid].pays[vout] for tx in inside for txid, vout in tx.spends]
    return {
        "tx_count": sum(chain.touches(tx, mine) for tx in inside),
        "funded_txo_sum": got,
        "spent_txo_sum": sum(units for owner, units in sources if owner == mine),
    }


def esplora_tx(chain: FakeChain, tx: Tx, block: Made | None) -> Json:
    """A transaction, with its block if it has one."""
    status: Json = {"confirmed": False}
    if block is not None:
        place = {"block_height": block.height, "block_hash": block.hash, "block_time": block.time}
        status = {"confirmed": True, **place}
    sources = [(txid, vout, chain.txs[txid].pays[vout]) for txid, vout in tx.spends]
    vin = [
        {"txid": txid, "vout": vout, "prevout": {"scriptpubkey": owner, "value": units}, "is_coinbase": False}
        for txid, vout, (owner, units) in sources
    ]
    if tx.is_coinbase:
        vin = [{"txid": "0" * 64, "vout": 2**32 - 1, "prevout": None, "is_coinbase": True}]
    vout = [{"scriptpubkey": owner, "value": units} for owner, units in tx.pays]
    return chain.spoil({"txid": tx.txid, "vin": vin, "vout": vout, "status": status})


@contextmanager
def served(
    chain: FakeChain, *, reply: Callable[[str], tuple[int, bytes, dict[str, str]] | None] = lambda _: None
) -> Iterator[str]:
    """Serve both APIs at one address; `reply` may answer a method or path in its own way (status, body, headers)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chain.asked.append(told["method"])
            own = reply(told["method"])
            if own is not None:
                return self._send(*own)
            try:
                answer, status = {"result": core(chain, told["method"], told["params"]), "error": None}, 200
            except Refused as error:
                answer, status = {"result": None, "error": dict(zip(("code", "message"), error.args, strict=True))}, 500
            return self._send(status, written({**answer, "id": told["id"]}), {})

        def do_GET(self) -> None:
            chain.asked.append(self.path)
            own = reply(self.path)
            if own is not None:
                return self._send(*own)
            try:
                told = esplora(chain, self.path)
            except Refused:
                return self._send(404, b"not found", {})
            return self._send(200, told.encode() if isinstance(told, str) else json.dumps(told).encode(), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, text in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://user:SECRET@127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch(number: int = US, start_block: int | None = None) -> Watch:
    """Watch one of our addresses."""
    return Watch("bitcoin", address(number), BTC, f"btc{number}", start_block)


class Books:
    """A source and its ledger."""

    def __init__(self, folder: Path, *watches: Watch, **table: object) -> None:
        url = f"sqlite:///{folder}/bitcoin.db"
        prepare(url)
        self.ledger = Ledger(url, clock=fixed_clock)
        self.watches, self.table = watches or (watch(),), table
        self.restart()

    def restart(self, **table: object) -> None:
        """Forget everything but the ledger."""
        self.table |= table
        network = read_network("bitcoin", {"rail": "bitcoin", "chain": "regtest", **self.table})
        self.source = BitcoinSource(network, self.watches, clock=fixed_clock)

    def look(self) -> bool:
        """Take one turn."""
        return watcher.turn(self.source, self.ledger)

    def told(self) -> list[tuple[str, str, str, str, int]]:
        """State, kind, direction, locator without the hash, units of every row that stands, sorted."""
        return sorted(self._brief(row) for row in self.ledger.export() if row["state"] in ("seen", "confirmed"))

    def gone(self) -> list[tuple[str, str, str, str, int]]:
        """The same of rows that do not stand."""
        return sorted(self._brief(row) for row in self.ledger.export() if row["state"] in ("orphaned", "replaced"))

    def _brief(self, row: Json) -> tuple[str, str, str, str, int]:
        where = str(row["locator"]).rpartition(":")[2]
        return str(row["state"]), str(row["kind"]), str(row["direction"]), where, int(row["units"])

    def held(self, number: int = US) -> int:
        """What the ledger says an address holds, confirmed or seen."""
        rows = [
            r for r in self.ledger.export() if r["state"] in ("seen", "confirmed") and r["address"] == address(number)
        ]
        return sum(int(str(row["units"])) * (1 if row["direction"] == "in" else -1) for row in rows)
