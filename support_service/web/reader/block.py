"""What the block on an article says, in one language: the same for the script, the frame and the snippet."""

from dataclasses import asdict, dataclass

from flask_babel import gettext

from support_service.giving import CardCurrency, Frequency, PaymentMethod
from support_service.money import Money
from support_service.web.amounts import sum_text
from support_service.web.card.form import currencies, frequencies, preset_sums
from support_service.web.card.words import often
from support_service.web.i18n import say
from support_service.web.reader.sums import is_for_everybody, offered, sum_query
from support_service.web.service import Service

LAYOUTS = ("block", "bar", "button", "compact")
# More do not fit on a line of a phone; all others are one tap further.
AMOUNTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Value:
    """One thing to copy: what it is, how eyes read it, and what the clipboard gets."""

    label: str
    shown: str
    copied: str


@dataclass(frozen=True, slots=True)
class BlockWay:
    """One way to give without a card form: its numbers, the link that opens an app ("" where none), its code."""

    key: str
    title: str
    note: str
    values: tuple[Value, ...]
    link: str
    label: str
    has_code: bool


@dataclass(frozen=True, slots=True)
class Often:
    """How often, and the sums that are offered then: what is said, and what an address says of it."""

    label: str
    amounts: tuple[tuple[str, dict[str, str]], ...]


@dataclass(frozen=True, slots=True)
class ArticleBlock:
    """The block's words and numbers. goes_to: the page that its amounts lead to."""

    name: str
    heading: str
    invitation: str
    goes_to: str
    often: tuple[Often, ...]
    ways: tuple[BlockWay, ...]

    def as_json(self) -> dict[str, object]:
        """Write it down for the script."""
        return asdict(self)


def build_block(at: Service, lang: str) -> ArticleBlock:
    """Gather the block in the language of the request; `lang` is that language."""
    publisher, methods = at.assembly.settings.publisher, at.assembly.shown
    card = next((method.card for method in methods if method.card is not None), None)
    choice = card or offered(methods)
    amounts: tuple[Often, ...] = ()
    if choice is not None and is_for_everybody(choice):
        currency = currencies(choice, lang)[0]
        amounts = tuple(_often(currency, one, lang) for one in frequencies(choice) if one is not Frequency.YEARLY)
    return ArticleBlock(
        name=publisher.named(lang),
        heading=gettext("Support our work"),
        invitation=publisher.appeal.get(lang)
        or gettext("If this story was of use to you, help us write the next one."),
        goes_to="card" if card else "support",
        often=tuple(one for one in amounts if one.amounts),
        ways=tuple(_way(method) for method in methods if method.card is None),
    )


def _often(currency: CardCurrency, frequency: Frequency, lang: str) -> Often:
    sums = list(preset_sums(currency, frequency))[:AMOUNTS_MAX]
    return Often(say(often(frequency)), tuple((sum_text(money, lang), _query(money, frequency)) for money in sums))


def _query(money: Money, frequency: Frequency) -> dict[str, str]:
    return dict(sum_query(money, frequency))


def _way(method: PaymentMethod) -> BlockWay:
    return BlockWay(
        key=method.key,
        title=say(method.title),
        note=say(method.notes[0]) if method.watches and method.notes else "",
        values=tuple(Value(say(row.label), row.shown, row.copied) for row in method.rows if row.is_typed),
        link=method.link.href if method.link else "",
        label=say(method.link.label) if method.link else "",
        has_code=method.qr is not None,
    )
