"""The ways to give by oneself: a method with one of its assets, and how much. Typed text in, a wish or a question out.

Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from support_service.giving import PaymentMethod, Phrase, Watch
from support_service.money import Asset, BadAmount, Money
from support_service.web.amounts import SeveralMeanings, read_exact, read_typed

# No gift has more digits, and no wallet or bank takes them.
UNITS_DIGITS_MAX = 40


@dataclass(frozen=True, slots=True)
class WayToGive:
    """A method and the asset that is given by it; watch: where a chain tells of it."""

    method: PaymentMethod
    asset: Asset
    watch: Watch | None = None

    @property
    def key(self) -> str:
        """Its name in forms and addresses: "usdt:USDT"."""
        return f"{self.method.key}:{self.asset.code}"

    @property
    def network(self) -> str:
        """The network as the method's rows call it; "" where there is none, or but one."""
        return next((row.shown for row in self.method.rows if not row.is_typed), "") if self.watch else ""


@dataclass(frozen=True, slots=True)
class GiftWish:
    """What a reader says of a gift that they will transfer: perhaps way and sum, or what must be asked back."""

    way: WayToGive | None = None
    money: Money | None = None
    typed: str = ""
    mistake: Phrase | None = None
    meant: tuple[Money, ...] = ()


def ways_of(methods: Iterable[PaymentMethod]) -> tuple[WayToGive, ...]:
    """List the ways in the order of the page; those of a card processor have pages of their own."""
    found: list[WayToGive] = []
    for method in methods:
        if method.card is not None:
            continue
        watched = [watch for watch in method.watches if not watch.is_off_route]
        found += [WayToGive(method, watch.asset, watch) for watch in watched]
        found += [WayToGive(method, asset) for asset in method.books if not watched]
    return tuple(found)


def read_way(asked: Mapping[str, str], ways: Sequence[WayToGive]) -> WayToGive | None:
    """Read which way is meant; None where none is said. Raises KeyError where it fits none or several."""
    name, method, code = (asked.get(word, "").strip() for word in ("way", "method", "asset"))
    if name:
        method, _, code = name.partition(":")
    if not method and not code:
        return None
    fitting = [way for way in ways if method in ("", way.method.key) and code in ("", way.asset.code)]
    # The first asset of a method is the one that it is named by.
    if method and not code:
        fitting = fitting[:1]
    if len(fitting) != 1:
        raise KeyError(method or code)
    return fitting[0]


def read_gift(asked: Mapping[str, str], ways: Sequence[WayToGive]) -> GiftWish:
    """Read way and sum; whoever says neither is given a code all the same."""
    typed = asked.get("amount", "").strip()[:40]
    try:
        way = read_way(asked, ways)
    except KeyError:
        return GiftWish(typed=typed, mistake=Phrase("Choose one of these ways."))
    asset = way.asset if way is not None else _currency(asked.get("currency", ""), ways)
    exact = asked.get("exact", "").strip()
    if asset is None or not (typed or exact):
        return GiftWish(way, typed=typed)
    try:
        money = read_exact(exact, asset) if exact else read_typed(typed, asset)
    except SeveralMeanings as error:
        question = Phrase("This may be read in more than one way. Which sum do you mean?")
        return GiftWish(way, typed=typed, mistake=question, meant=tuple(one for one in error.meant if one.units))
    except BadAmount:
        return GiftWish(way, typed=typed, mistake=Phrase("Write the sum as a number, such as 200 or 10.50."))
    if not money.units or len(str(money.units)) > UNITS_DIGITS_MAX:
        return GiftWish(way, typed=typed, mistake=Phrase("Write the sum as a number, such as 200 or 10.50."))
    return GiftWish(way, money, typed)


def _currency(code: str, ways: Sequence[WayToGive]) -> Asset | None:
    """Find the currency that a sum without a way is meant in: the one that is named, else the first account's."""
    known = [way.asset for way in ways if way.watch is None]
    named = [asset for asset in known if asset.code == code]
    return next(iter(named or ([] if code else known)), None)
