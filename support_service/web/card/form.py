"""What a reader chose on the card form: typed text in, a wish or questions out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from support_service.giving import CardChoice, CardCurrency, Frequency, Personal, Phrase
from support_service.money import BadAmount, Money, plain
from support_service.web.amounts import SeveralMeanings, read_exact, read_typed, sum_text
from support_service.web.card.typed import typed_personal
from support_service.web.one_line import one_line

NAME_CHARS_MAX, MESSAGE_CHARS_MAX = 100, 500
# Hidden from people; what fills it in is a program.
HONEYPOT = "website"
_OF_LANGUAGE = {"uk": "UAH"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A gift as the reader wants it; money is their own part, without any fee they add."""

    currency: CardCurrency
    frequency: Frequency
    money: Money

    @property
    def fee(self) -> Money | None:
        """What covers the processor's fee on top, where the settings give an estimate."""
        units = self.currency.covering_fee(self.money.units)
        return Money(units, self.money.asset) if units else None

    @property
    def with_fee(self) -> Money:
        """The sum with the fee, where there is an estimate."""
        return self.money + self.fee if self.fee else self.money


@dataclass(frozen=True, slots=True)
class WishRead:
    """The wish, or what is wrong; currency and frequency are chosen either way. `meant`: readings of "1,000"."""

    currency: CardCurrency
    frequency: Frequency
    typed: str = ""
    wish: Wish | None = None
    mistake: Phrase | None = None
    meant: tuple[Money, ...] = ()


def read_wish(asked: Mapping[str, str], choice: CardChoice, lang: str) -> WishRead:
    """Read the form of the support page; nothing typed yet is no mistake.

    A preset button says everything itself ("monthly:UAH:200"), whatever else is marked.
    """
    preset = asked.get("preset", "")
    if preset.count(":") == 2:
        frequency, code, amount = preset.split(":")
        return _read({"frequency": frequency, "currency": code, "exact": amount}, choice, lang)
    return _read(asked, choice, lang)


def preset_value(frequency: Frequency, money: Money) -> str:
    """Write what a preset button sends: all that it says, so that nothing else can change it."""
    return f"{frequency}:{money.asset.code}:{plain(money)}"


def frequencies(choice: CardChoice) -> tuple[Frequency, ...]:
    """Tell how often one can give, in the order once, monthly, yearly."""
    offered = {frequency for currency in choice.currencies for frequency, _ in currency.presets}
    return tuple(frequency for frequency in Frequency if frequency in offered)


def currencies(choice: CardChoice, lang: str) -> tuple[CardCurrency, ...]:
    """Order the currencies for a page: whoever reads Ukrainian most likely pays in hryvnias; else as they were set."""
    own = _OF_LANGUAGE.get(lang)
    return tuple(sorted(choice.currencies, key=lambda one: (bool(one.asset.network), one.asset.code != own)))


def _read(asked: Mapping[str, str], choice: CardChoice, lang: str) -> WishRead:
    currency = next((one for one in choice.currencies if one.asset.code == asked.get("currency")), None)
    offered = frequencies(choice)
    frequency = next((one for one in offered if one == asked.get("frequency")), None)
    typed = asked.get("amount", "").strip()
    read = WishRead(currency or currencies(choice, lang)[0], frequency or offered[0], typed[:40])
    if not typed and not asked.get("exact"):
        return read
    if currency is None or frequency is None or not preset_sums(currency, frequency):
        return _mistaken(read, Phrase("Please choose the currency and how often, and look at the sum once more."))
    return _with_amount(read, typed, asked.get("exact", ""), lang)


def _with_amount(read: WishRead, typed: str, exact: str, lang: str) -> WishRead:
    asset = read.currency.asset
    try:
        money = read_exact(exact, asset) if exact else read_typed(typed, asset)
    except SeveralMeanings as error:
        meant = tuple(money for money in error.meant if _fits(money, read.currency))
        question = Phrase("This may be read in more than one way. Which sum do you mean?")
        return WishRead(read.currency, read.frequency, read.typed, mistake=question, meant=meant)
    except BadAmount:
        return _mistaken(read, _HOW_TO_WRITE[min(asset.exponent, 1)])
    if not _fits(money, read.currency):
        bounds = (read.currency.minimum_units, read.currency.maximum_units)
        least, most = (sum_text(Money(units, asset), lang) for units in bounds)
        values = (("least", least), ("most", most))
        return _mistaken(read, Phrase("Please write a sum from %(least)s to %(most)s.", values))
    return WishRead(read.currency, read.frequency, read.typed, wish=Wish(read.currency, read.frequency, money))


# For currencies without decimals, and with.
_HOW_TO_WRITE = (
    Phrase("Write the sum in whole units, such as 500."),
    Phrase("Write the sum as a number, such as 200 or 10.50."),
)


def _mistaken(read: WishRead, mistake: Phrase) -> WishRead:
    return WishRead(read.currency, read.frequency, read.typed, mistake=mistake)


def _fits(money: Money, currency: CardCurrency) -> bool:
    is_in_bounds = currency.minimum_units <= money.units <= currency.maximum_units
    return is_in_bounds and money.units % currency.step_units == 0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the second page sends: the wish, whether the fee is covered, and who the reader says they are."""

    wish: Wish
    covers_fee: bool
    personal: Personal
    mistakes: Mapping[str, Phrase] = field(default_factory=dict)

    @property
    def total(self) -> Money:
        """What will be charged each time."""
        return self.wish.with_fee if self.covers_fee else self.wish.money

    @property
    def fee_units(self) -> int:
        """The part of it that covers the fee."""
        return (self.total - self.wish.money).units


def read_confirmed(form: Mapping[str, str], wish: Wish) -> Confirmed:
    """Read name, message and the box; texts that are too long are mistakes by field."""
    mistakes: dict[str, Phrase] = {}
    name = _read_text(form, "name", NAME_CHARS_MAX, mistakes)
    message = _read_text(form, "message", MESSAGE_CHARS_MAX, mistakes)
    covers = form.get("cover") == "yes" and wish.fee is not None
    return Confirmed(wish, covers, typed_personal(payer=name, message=message), mistakes)


def preset_sums(currency: CardCurrency, frequency: Frequency) -> Sequence[Money]:
    """List the sums offered in a currency for a frequency, none where it is not offered."""
    return [
        Money(units, currency.asset)
        for known, all_units in currency.presets
        if known is frequency
        for units in all_units
    ]


def _read_text(form: Mapping[str, str], name: str, chars_max: int, mistakes: dict[str, Phrase]) -> str | None:
    text = one_line(form.get(name, ""))
    if len(text) > chars_max:
        mistakes[name] = Phrase("At most %(chars)s characters.", (("chars", str(chars_max)),))
        return None
    return text or None
