"""PaymentMethod: what a reader sees, and what a machine watches for it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from support_service.money import Asset, Money


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text for people in English, to be translated where it is shown; values fill %(name)s."""

    text: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line to read and copy: `shown` is grouped for eyes, `copied` is what the clipboard gets.

    is_typed is False for what nobody pastes anywhere, such as the name of a network: no copy button.
    """

    label: Phrase
    shown: str
    copied: str
    is_typed: bool = True


@dataclass(frozen=True, slots=True)
class QrText:
    """What a QR symbol holds and how it is drawn; `caption` says honestly what a scan does.

    mask: which of the eight patterns is laid over it (ISO 18004, 7.8); None: the best one, which takes seven times
    as long to find. Every reader reads all eight.
    """

    text: str
    caption: Phrase
    level: str = "M"
    version_min: int = 1
    has_hryvnia_sign: bool = False
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens a wallet or bank app on the reader's own device."""

    href: str
    label: Phrase


@dataclass(frozen=True, slots=True)
class Watch:
    """The unit of watching: one asset at one address of one network, and the method it belongs to.

    start_block is the first block whose credits count; None means the head at first sight.
    """

    network: str
    address: str
    asset: Asset
    method: str
    start_block: int | None = None
    is_off_route: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Network, address and asset code: two methods may not share it."""
        return (self.network, self.address, self.asset.code)


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a transfer takes until it counts: so many blocks, its own included, and roughly so many minutes.

    blocks 0: the network says when, and nobody can count it beforehand; minutes 0: nobody knows. From large_units on
    it takes large_blocks.
    """

    blocks: int = 0
    minutes: int = 0
    large_units: int | None = None
    large_blocks: int = 0

    def blocks_for(self, units: int) -> int:
        """Tell how many blocks make an amount count."""
        is_large = self.large_units is not None and units >= self.large_units
        return max(self.large_blocks, self.blocks) if is_large else self.blocks

    def minutes_for(self, units: int) -> int:
        """Tell roughly how long they take."""
        return -(-self.minutes * self.blocks_for(units) // self.blocks) if self.blocks else self.minutes


class Frequency(StrEnum):
    """How often a reader gives."""

    ONCE = "once"
    MONTHLY = "monthly"
    YEARLY = "yearly"


@dataclass(frozen=True, slots=True)
class CardCurrency:
    """A currency that cards may be charged in: bounds and offered sums, in units, by frequency.

    What a processor takes of each payment is fee_basis_points (hundredths of a percent) plus
    fee_fixed_units; both 0 where nobody estimated it. Sums are charged in whole steps of step_units.
    """

    asset: Asset
    minimum_units: int
    maximum_units: int
    presets: tuple[tuple[Frequency, tuple[int, ...]], ...]
    fee_basis_points: int = 0
    fee_fixed_units: int = 0
    step_units: int = 1

    def covering_fee(self, units: int) -> int:
        """Return what must be added so that units are left after the fee, rounded up; 0 without an estimate."""
        share = (10_000 - self.fee_basis_points) * self.step_units
        return -(-(units + self.fee_fixed_units) * 10_000 // share) * self.step_units - units


@dataclass(frozen=True, slots=True)
class CardChoice:
    """What a card form offers; checkout_origins are the only places a payment page may lie at.

    processor is whoever charges, as people know them; page_languages are those that its payment page speaks.
    """

    currencies: tuple[CardCurrency, ...]
    checkout_origins: tuple[str, ...]
    processor: str = ""
    page_languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """Code and link of a method with a sum in them."""

    qr: QrText
    link: Link | None


@dataclass(frozen=True, slots=True)
class Filling:
    """How a sum of one asset, up to units_max, is written into a method's code and link; presets are sums to offer."""

    asset: Asset
    units_max: int
    presets: tuple[int, ...]
    write: Callable[[int], Filled] = field(compare=False)


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """One way to give, as the page, the widget and the manifest show it. Built once, from settings.

    `card` stands where cards are charged through a processor; such a method has no code to scan.

    `filling` stands where a sum can be written into its code; elsewhere a reader enters it themselves.
    `wait` is how long a transfer takes until it counts, where a chain tells of it. `write_gift` writes a gift's
    support code, and its sum where one is known, into rows, code and link; None where they have no room for it.

    `facts` are the machine-readable truths for /.well-known/support-methods.json, in order.
    `books` are the assets staff may book by hand for this method (empty where a chain tells).
    `warnings` are for the publisher (`check`), not for readers: allowed, but worth a second look.
    """

    key: str
    rail: str
    title: Phrase
    rows: tuple[Row, ...]
    qr: QrText | None
    facts: tuple[tuple[str, str], ...]
    subtitle: Phrase | None = None
    notes: tuple[Phrase, ...] = ()
    link: Link | None = None
    wait: Wait | None = None
    write_gift: Callable[["PaymentMethod", str, Money | None], "PaymentMethod"] | None = None
    watches: tuple[Watch, ...] = ()
    books: tuple[Asset, ...] = ()
    warnings: tuple[Phrase, ...] = ()
    card: CardChoice | None = None
    filling: Filling | None = None

    def filled(self, money: Money) -> "PaymentMethod":
        """Write a sum into code and link; the same method where it takes no such sum."""
        filling = self.filling
        if filling is None or filling.asset != money.asset or not 0 < money.units <= filling.units_max:
            return self
        filled = filling.write(money.units)
        return replace(self, qr=filled.qr, link=filled.link)

    def of_gift(self, code: str, money: Money | None) -> "PaymentMethod":
        """Return the method as it reads for one gift; as for everybody where nothing of that fits into it."""
        if self.write_gift is not None:
            return self.write_gift(self, code, money)
        filling = self.filling
        if money is None or filling is None or money.asset.code != filling.asset.code:
            return self
        # What a reader chose names its asset by code alone; the method knows on which network it is.
        return self.filled(Money(money.units, filling.asset))
