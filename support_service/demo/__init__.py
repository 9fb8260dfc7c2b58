"""`demo`: everything on this machine, with local chains, real transfers and a sample article.

The settings are the packaged block of the first user, on a temporary database; no key, no internet,
and no transaction to any chain but the local ones.
"""

import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from support_service.commands import run as running
from support_service.commands.output import Say
from support_service.demo import bitcoin_chain as demo_bitcoin
from support_service.demo.bank import BankFakes
from support_service.demo.bank_readers import POLL_SECONDS as BANK_MINUTE_SECONDS
from support_service.demo.bank_readers import BankReaders, bank_tables
from support_service.demo.bitcoin_chain import LocalBitcoin
from support_service.demo.bitcoin_core import CorePort
from support_service.demo.card_readers import CardReaders
from support_service.demo.evm_chain import GIFTS, ChainGift, LocalChain, node_child
from support_service.demo.mono import MonoFake
from support_service.demo.settings import CardFakes, Chains, Places, bank_numbers, demo_settings, receiver
from support_service.demo.stripe import StripeFake
from support_service.demo.tron_node import TronNode
from support_service.demo.tron_ports import TronPorts
from support_service.giving import Kind, Listed, State
from support_service.ledger import Ledger, LedgerDown, migrate
from support_service.money import Asset, Money
from support_service.settings import worker_environment
from support_service.supervisor import Child, ProcessError, Supervisor, accepts_connections, reserve_port

GIFT_SECONDS = 5
# One of each kind comes at once, so that a newcomer need not wait to see them.
GIFTS_AT_ONCE = 4
LOOK_SECONDS = 1
START_SECONDS_MAX = 120
LISTED_MAX = 50
STAFF_EMAIL = "newsroom@demo.example"
RAILS = ("evm", "tron", "bitcoin")
# One gift in Bitcoin comes after this many others.
OTHERS_PER_BITCOIN = 3


def run_demo(host: str, port: int, *, say: Say) -> None:
    """Run the demo until a signal comes; nothing is left behind. Raises ProcessError, LedgerError."""
    with tempfile.TemporaryDirectory(prefix="support-demo-") as folder:
        page_port = reserve_port(host, port)
        beside, *nodes = _port_beside(host, page_port), reserve_port("127.0.0.1", 0), reserve_port("127.0.0.1", 0)
        places = Places(Path(folder), host, page_port, beside, *nodes)
        supervisor = Supervisor()
        supervisor.stop_on_signals()
        try:
            with ExitStack() as until_the_end:
                _Demo(places, supervisor, say, until_the_end).run()
        finally:
            supervisor.stop()
    say("Stopped; the demo's database and chains are gone.")


@dataclass
class _Demo:
    places: Places
    supervisor: Supervisor
    say: Say
    until_the_end: ExitStack
    chains: Chains = field(init=False)
    gifts: tuple[ChainGift, ...] = field(init=False)
    cards: CardReaders = field(init=False)
    banks: BankReaders = field(init=False)
    ledger: Ledger = field(init=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    receivers: dict[str, str] = field(default_factory=lambda: {rail: receiver(rail) for rail in RAILS})
    gifts_sent: int = 0
    gift_at: float = 0.0
    block_at: float = 0.0
    look_at: float = 0.0
    states: dict[str, State] = field(default_factory=dict)

    def run(self) -> None:
        self.say("This is a demo: the money in it is play money. Do not send anything to the addresses you see.")
        if not (self._start_chains() and self._start_service()):
            return
        self._say_where()
        self.supervisor.run(self._turn)

    def _start_chains(self) -> bool:
        self.say("Starting a local EVM chain, a server through which it speaks as a TRON node, and a Bitcoin chain ...")
        environment = worker_environment(self.places.settings, is_demo=True)
        chain = LocalChain(self.places.node)
        self.supervisor.start(node_child(self.places.folder, self.places.node_port, environment))
        bitcoin = self._start_bitcoin(environment)
        if not self._wait(chain.is_up, "the local chain"):
            return False
        chain.claim()
        tron = self.until_the_end.enter_context(TronPorts(TronNode(self.places.node)))
        chain.deploy()
        if not self._wait(chain.is_deployed, "the tokens on the local chain"):
            return False
        core = None
        if bitcoin is not None:
            if not self._wait(bitcoin.is_up, "the local Bitcoin chain"):
                return False
            bitcoin.claim()
            core = self.until_the_end.enter_context(CorePort(bitcoin.url))
        self.chains, self.gifts = Chains(chain, tron, bitcoin, core), gifts(has_bitcoin=bitcoin is not None)
        return True

    def _start_bitcoin(self, environment: dict[str, str]) -> LocalBitcoin | None:
        password = secrets.token_urlsafe(9)
        try:
            node = demo_bitcoin.node_child(self.places.folder, self.places.bitcoin_port, password, environment)
        except ProcessError as error:
            self.say(f"{error}. Going on without: Bitcoin's address is shown, and nobody watches it.")
            return None
        self.supervisor.start(node)
        return LocalBitcoin(demo_bitcoin.node_url(self.places.bitcoin_port, password))

    def _start_service(self) -> bool:
        self.say("Starting the ledger, the page, the watcher, a sample article and stand-ins for Stripe and plata ...")
        places = self.places
        stripe = self.until_the_end.enter_context(StripeFake(seed=secrets.token_hex(8)))
        stripe.hook(f"{places.page}/webhooks/stripe")
        plata = self.until_the_end.enter_context(MonoFake(seed=secrets.token_hex(8), is_sending=True))
        cards = CardFakes(stripe, plata)
        self.cards = CardReaders(places.page, stripe, plata)
        fakes = self.until_the_end.enter_context(BankFakes(minute_seconds=BANK_MINUTE_SECONDS))
        tables, accounts = bank_tables(fakes, places.folder, *bank_numbers())
        self.banks = BankReaders(accounts)
        places.settings.write_text(demo_settings(places, self.chains, cards) + tables, encoding="utf-8")
        migrate(places.database_url)
        self.ledger = Ledger(places.database_url)
        self.ledger.people.add(STAFF_EMAIL, "admin", self.password)
        self.supervisor.start(running.watch_child(places.settings, is_demo=True))
        self.supervisor.start(running.web_child(places.settings, places.host, places.page_port, is_demo=True))
        self.supervisor.start(_article_child(places))
        return (
            self._wait(lambda: accepts_connections(places.host, places.page_port), "the support page")
            and self._wait(lambda: accepts_connections(places.host, places.article_port), "the sample article")
            and self._wait(self._is_watched, "the watcher")
        )

    def _is_watched(self) -> bool:
        """Tell whether every chain was looked at: what is given after that is seen before it is confirmed."""
        rails = [rail for rail in RAILS if rail != "bitcoin" or self.chains.bitcoin is not None]
        try:
            looked_at = {source.partition(":")[0] for source in self.ledger.cursors()}
        except LedgerDown:
            return False
        return looked_at >= set(rails)

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
            f"A reader gives every {GIFT_SECONDS} s; a gift is confirmed when its block is final, here after ~20 s,"
            f" and in Bitcoin when it is three blocks deep, here after ~{3 * demo_bitcoin.BLOCK_SECONDS} s."
        )
        self.say(
            "Cards: choose a sum on the support page. The payment page is a stand-in on this machine, in hryvnias for"
            " plata by mono's, else for Stripe's: it asks for no card, and no real card is charged."
        )
        self.say(
            "IBAN and card number: readers give at stand-ins for PrivatBank and monobank, with and without a support"
            " code; a gift is seen while it is on its way and confirmed once it is booked, here after ~15 s."
        )
        self.say("Stop with Ctrl-C.")

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self.gift_at:
            self._give()
            self.gift_at = now + (GIFT_SECONDS if self.gifts_sent >= GIFTS_AT_ONCE else 1)
        if self.chains.bitcoin is not None and now >= self.block_at:
            self.block_at = now + demo_bitcoin.BLOCK_SECONDS
            self._busy_at_worst(self.chains.bitcoin.mine)
        self._busy_at_worst(lambda: self._charge(now))
        self._give_at_banks(now)
        if now >= self.look_at:
            self.look_at = now + LOOK_SECONDS
            self._look()

    def _give(self) -> None:
        gift = self.gifts[self.gifts_sent % len(self.gifts)]
        if self._busy_at_worst(lambda: self._send(gift)):
            self.gifts_sent += 1
            self.say(f"a reader gives  {gift.words}")

    def _send(self, gift: ChainGift) -> None:
        if gift.asset == "BTC":
            assert self.chains.bitcoin is not None, "such gifts are made where there is that chain"
            self.chains.bitcoin.give(gift, self.receivers["bitcoin"])
        else:
            self.chains.evm.give(gift, self.receivers["tron" if gift.is_on_tron else "evm"], self.gifts_sent)

    def _charge(self, now: float) -> None:
        for words in self.cards.turn(now):
            self.say(words)

    def _give_at_banks(self, now: float) -> None:
        try:
            told = self.banks.turn(now, self.ledger)
        except LedgerDown:
            return  # busy for once; the gift is given later
        for words in told:
            self.say(words)

    def _busy_at_worst(self, do: Callable[[], object]) -> bool:
        """Ask a part of the demo for something; False where it has no time for us."""
        try:
            do()
        except OSError as error:
            self.say(f"a part of the demo is busy ({type(error).__name__}); trying again")
            return False
        return True

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


def gifts(*, has_bitcoin: bool) -> tuple[ChainGift, ...]:
    """All gifts in the order in which readers make them."""
    if not has_bitcoin:
        return GIFTS
    mixed = list(GIFTS)
    for number, gift in enumerate(demo_bitcoin.GIFTS):
        mixed.insert(1 + number * (OTHERS_PER_BITCOIN + 1), gift)
    return tuple(mixed)


def _article_child(places: Places) -> Child:
    place = ["--host", places.host, "--port", str(places.article_port)]
    return running.own_child("article", places.settings, "sample-article", *place, is_demo=True)


def _port_beside(host: str, port: int) -> int:
    """Choose the port after the page's, so that the article's address is easy to guess; else any free one."""
    try:
        return reserve_port(host, port + 1)
    except ProcessError:
        return reserve_port(host, 0)
