"""`demo`: everything on this machine, with a local chain, real transfers and a sample article.

The settings are the packaged block of the first user, its five addresses as they are, on a
temporary database; no key, no internet, and no transaction to any chain but the local one.
"""

import secrets
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from support_service import running
from support_service.demo_chain import CHAIN_ID, GIFTS, TOKEN_EXPONENT, TOKENS, LocalChain, node_child
from support_service.demo_tron import CHAIN_ID as TRON_CHAIN_ID
from support_service.demo_tron import TronNode
from support_service.demo_tron_ports import TronPorts
from support_service.giving import Kind, State
from support_service.ledger import Ledger, LedgerDown, Listed, migrate
from support_service.money import Asset, Money
from support_service.rails.tron.address import from_evm, to_evm
from support_service.settings import packaged_block, worker_environment
from support_service.supervisor import Child, ProcessError, Supervisor, accepts_connections, reserve_port

GIFT_SECONDS = 5
LOOK_SECONDS = 1
START_SECONDS_MAX = 60
LISTED_MAX = 50
STAFF_EMAIL = "newsroom@demo.example"

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's parts listen, and the folder that goes with it."""

    folder: Path
    host: str
    page_port: int
    article_port: int
    node_port: int

    @property
    def page(self) -> str:
        """Where the service is reached."""
        return running.page_address(self.host, self.page_port)

    @property
    def article(self) -> str:
        """Where the sample article is reached: another origin than the page, as on a real site."""
        return running.page_address(self.host, self.article_port)

    @property
    def node(self) -> str:
        """Where the local chain answers."""
        return f"http://127.0.0.1:{self.node_port}"

    @property
    def settings(self) -> Path:
        """The demo's settings file."""
        return self.folder / "support.toml"

    @property
    def database_url(self) -> str:
        """The demo's ledger."""
        return f"sqlite:///{self.folder / 'demo.db'}"


def run_demo(host: str, port: int, *, say: Say) -> None:
    """Run the demo until a signal comes; nothing is left behind. Raises ProcessError, LedgerError."""
    with tempfile.TemporaryDirectory(prefix="support-demo-") as folder:
        page_port = reserve_port(host, port)
        ports = page_port, _port_beside(host, page_port), reserve_port("127.0.0.1", 0)
        places = Places(Path(folder), host, *ports)
        supervisor = Supervisor()
        supervisor.stop_on_signals()
        try:
            with ExitStack() as until_the_end:
                _Demo(places, supervisor, say, until_the_end).run()
        finally:
            supervisor.stop()
    say("Stopped; the demo's database and chain are gone.")


def _receiver(rail: str) -> str:
    """Read where the packaged block asks for a rail's money, as the local chain writes addresses."""
    block = tomllib.loads(packaged_block().read_text(encoding="utf-8"))
    address = next(str(method["address"]) for method in block["methods"] if method["rail"] == rail)
    return to_evm(address) if rail == "tron" else address


@dataclass
class _Demo:
    places: Places
    supervisor: Supervisor
    say: Say
    until_the_end: ExitStack
    chain: LocalChain = field(init=False)
    ledger: Ledger = field(init=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    receivers: dict[str, str] = field(default_factory=lambda: {rail: _receiver(rail) for rail in ("evm", "tron")})
    tron: TronPorts = field(init=False)
    gifts_sent: int = 0
    gift_at: float = 0.0
    look_at: float = 0.0
    states: dict[str, State] = field(default_factory=dict)

    def run(self) -> None:
        self.say("This is a demo: the money in it is play money. Do not send anything to the addresses you see.")
        if not (self._start_chain() and self._start_service()):
            return
        self._say_where()
        self.supervisor.run(self._turn)

    def _start_chain(self) -> bool:
        self.say("Starting a local EVM chain, and a server through which it speaks as a TRON node ...")
        environment = worker_environment(self.places.settings, is_demo=True)
        self.chain = LocalChain(self.places.node)
        self.supervisor.start(node_child(self.places.folder, self.places.node_port, environment))
        if not self._wait(self.chain.is_up, "the local chain"):
            return False
        self.chain.claim()
        self.tron = self.until_the_end.enter_context(TronPorts(TronNode(self.places.node)))
        self.chain.deploy()
        return self._wait(self.chain.is_deployed, "the tokens on the local chain")

    def _start_service(self) -> bool:
        self.say("Starting the ledger, the support page, the watcher and a sample article ...")
        places = self.places
        places.settings.write_text(demo_settings(places, self.chain, self.tron), encoding="utf-8")
        migrate(places.database_url)
        self.ledger = Ledger(places.database_url)
        self.ledger.people.add(STAFF_EMAIL, "admin", self.password)
        self.supervisor.start(running.watch_child(places.settings, is_demo=True))
        self.supervisor.start(running.web_child(places.settings, places.host, places.page_port, is_demo=True))
        self.supervisor.start(_article_child(places))
        return self._wait(
            lambda: accepts_connections(places.host, places.page_port), "the support page"
        ) and self._wait(lambda: accepts_connections(places.host, places.article_port), "the sample article")

    def _wait(self, is_so: Callable[[], bool], what: str) -> bool:
        """Wait for a part to start; False where a signal came first."""
        if self.supervisor.wait_until(is_so, START_SECONDS_MAX):
            return True
        if self.supervisor.stopping.is_set():
            return False
        raise ProcessError(f"{what} did not start within {START_SECONDS_MAX} s")

    def _say_where(self) -> None:
        page = self.places.page
        self.say(f"Support page:    {page}/support")
        self.say(f"Sample article:  {self.places.article}/  (the widget is at its end)")
        self.say(f"Staff:           {page}/staff/  log in as {STAFF_EMAIL} with password {self.password}")
        self.say(
            f"A reader gives every {GIFT_SECONDS} s; a gift is confirmed when its block is final, here after ~20 s."
        )
        self.say("Stop with Ctrl-C.")

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self.gift_at:
            self.gift_at = now + GIFT_SECONDS
            self._give()
        if now >= self.look_at:
            self.look_at = now + LOOK_SECONDS
            self._look()

    def _give(self) -> None:
        gift = GIFTS[self.gifts_sent % len(GIFTS)]
        try:
            self.chain.give(gift, self.receivers["tron" if gift.is_on_tron else "evm"], self.gifts_sent)
        except OSError as error:
            self.say(f"the local chain is busy ({type(error).__name__}); trying again")
            return
        self.gifts_sent += 1
        self.say(f"a reader gives  {gift.words}")

    def _look(self) -> None:
        """Tell each gift whose state changed since the last look."""
        try:
            listed = self.ledger.donations(limit=LISTED_MAX)
        except LedgerDown:
            return  # busy for once; the next look tells it
        for one in reversed(listed):
            self._tell(one)

    def _tell(self, listed: Listed) -> None:
        donation = listed.donation
        ref, state = donation.identity.ref, donation.state
        if self.states.get(ref) is state or donation.payment.kind is Kind.OPENING:
            return
        self.states[ref] = state
        amount = Money(donation.payment.units, Asset(donation.identity.asset, donation.payment.exponent))
        self.say(f"  {state.value:<12}  {amount}  {self.places.page}/staff/donations/{ref}")


def demo_settings(places: Places, chain: LocalChain, tron: TronPorts) -> str:
    """Write the packaged block anew: where our parts listen, and the local chain under `ethereum` and `tron`.

    Watching starts after the tokens came to be: before that, nobody could say what their balance was.
    """
    begin = f"poll_seconds = 1\nstart_block = {chain.height() + 1}\n"
    tron_id = f"chain_id = {TRON_CHAIN_ID}\n"
    text = packaged_block().read_text(encoding="utf-8")
    changes = {
        'url = "http://127.0.0.1:8000"': f'url = "{places.page}"',
        "sites = []": f'sites = ["{places.article}"]',
        'url = "sqlite:///support.db"': f'url = "{places.database_url}"',
        "chain_id = 1\n": f'chain_id = {CHAIN_ID}\nrpc = ["{places.node}"]\n{begin}',
        tron_id: f'{tron_id}rpc = ["{tron.rpc}"]\nrpc_solid = ["{tron.solid}"]\n{begin}',
    }
    for old, new in changes.items():
        assert text.count(old) == 1, f"the packaged block has no single {old!r}"
        text = text.replace(old, new)
    tokens = [(code, "ethereum", chain.contracts[code]) for code in TOKENS]
    tokens.append(("USDT", "tron", from_evm(chain.contracts["USDT"])))
    return text + "".join(
        f'\n[[assets]]\ncode = "{code}"\nnetwork = "{network}"\ncontract = "{contract}"\n'
        f'exponent = {TOKEN_EXPONENT}\nsource = "the demo\'s own chain"\n'
        for code, network, contract in tokens
    )


def _article_child(places: Places) -> Child:
    place = ["--host", places.host, "--port", str(places.article_port)]
    return running.own_child("article", places.settings, "sample-article", *place, is_demo=True)


def _port_beside(host: str, port: int) -> int:
    """Choose the port after the page's, so that the article's address is easy to guess; else any free one."""
    try:
        return reserve_port(host, port + 1)
    except ProcessError:
        return reserve_port(host, 0)
