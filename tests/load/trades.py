"""Each processor of cards as the load knows it: gifts that happened at its stand-in, and how it tells of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support_service.demo.mono import MonoFake
from support_service.demo.stripe import KEY, SECRET, StripeFake
from support_service.demo.stripe.table import stripe_table
from support_service.ledger import Ledger
from tests.load.gifts import CURRENCIES, Gift, Moving, Teller, begin_time
from tests.load.plata_gifts import PlataTeller, plata_voice
from tests.load.sender import STRIPE, Voice


@dataclass(frozen=True)
class World:
    """Gifts that happened, the table of the settings, and the processor's voice; bodies: what is told of a gift."""

    gifts: list[Gift]
    table: str
    voice: Voice
    bodies: Callable[[Gift], list[tuple[str, str]]]


@contextmanager
def _stripe(folder: Path, ledger: Ledger, seed: int, payments: int) -> Iterator[World]:
    clock = Moving(begin_time())
    with StripeFake(clock=clock, seed=str(seed)) as fake:
        teller = Teller(fake, clock, ledger, seed)
        gifts = [teller.tell() for _ in range(payments)]
    # Whoever takes messages in asks nobody.
    table = stripe_table(folder, "http://127.0.0.1:9", key=KEY, secret=SECRET)
    yield World(gifts, table, STRIPE, lambda gift: [(str(one["id"]), _written(one)) for one in gift.events])


def _written(event: dict[str, object]) -> str:
    return json.dumps(event, ensure_ascii=False, indent=2)


@contextmanager
def _plata(folder: Path, ledger: Ledger, seed: int, payments: int) -> Iterator[World]:
    clock = Moving(begin_time())
    with MonoFake(clock=clock, seed=str(seed)) as fake:
        teller = PlataTeller(fake, clock, ledger, seed)
        gifts = [teller.tell() for _ in range(payments)]
        table = fake.settings(folder, currencies=CURRENCIES)
        # It stays, for the server asks it for its key.
        yield World(gifts, table, plata_voice(fake), lambda gift: [(one["id"], one["body"]) for one in gift.events])


TRADES: dict[str, Callable[[Path, Ledger, int, int], AbstractContextManager[World]]] = {
    "stripe": _stripe,
    "mono": _plata,
}
