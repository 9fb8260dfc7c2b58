"""What a line of the account means: a gift, or one of fourteen things that are none. Pure.

The rules are a table; the first that fits a line takes it, and its name is shown beside the line. No
rule hides a credit: what it moves away from the gifts, a person sees and can move back.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from support_service.giving import Phrase
from support_service.rails.bank.folding import fold
from support_service.rails.bank.line import Line, LineStanding


class LineClass(StrEnum):
    """The classes of bank lines, as the export writes them."""

    GIFT = "gift"
    REVIEW = "review"
    REGISTRY = "registry"
    PAYOUT_STRIPE = "payout_stripe"
    PAYOUT_ACQUIRER = "payout_acquirer"
    OWN_TRANSFER = "own_transfer"
    FEE = "fee"
    SALARY = "salary"
    TAX = "tax"
    INTEREST = "interest"
    RETURNED_IN = "returned_in"
    REFUND_OUT = "refund_out"
    REVERSAL = "reversal"
    CASH = "cash"
    OTHER_OUT = "other_out"


# The same for people.
CLASS_WORDS = {
    LineClass.GIFT: Phrase("Gift"),
    LineClass.REVIEW: Phrase("To be looked at"),
    LineClass.REGISTRY: Phrase("Many gifts in one transfer"),
    LineClass.PAYOUT_STRIPE: Phrase("Payout by Stripe"),
    LineClass.PAYOUT_ACQUIRER: Phrase("Payout by the bank that takes cards"),
    LineClass.OWN_TRANSFER: Phrase("Between our own accounts"),
    LineClass.FEE: Phrase("Fee of the bank"),
    LineClass.SALARY: Phrase("Salary"),
    LineClass.TAX: Phrase("Tax"),
    LineClass.INTEREST: Phrase("Interest"),
    LineClass.RETURNED_IN: Phrase("Our own payment that came back"),
    LineClass.REFUND_OUT: Phrase("Refund that we sent"),
    LineClass.REVERSAL: Phrase("Reversed by the bank"),
    LineClass.CASH: Phrase("Cash"),
    LineClass.OTHER_OUT: Phrase("Other money out"),
}

# What a person may say of money that came in, and that went out; the other classes are the bank's own lines.
SAID_OF_INCOMING = (
    LineClass.GIFT, LineClass.REVIEW, LineClass.PAYOUT_ACQUIRER, LineClass.PAYOUT_STRIPE, LineClass.OWN_TRANSFER,
    LineClass.RETURNED_IN, LineClass.INTEREST,
)  # fmt: skip
SAID_OF_OUTGOING = (
    LineClass.OTHER_OUT, LineClass.REFUND_OUT, LineClass.FEE, LineClass.SALARY, LineClass.TAX, LineClass.CASH,
    LineClass.OWN_TRANSFER,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Acquirer:
    """A card processor's bank that pays out to us."""

    name: str = ""
    code: str = ""
    accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """Who we are and whom we know. transit_codes: banks that carry gifts through accounts of their own.

    paid_accounts are those we have sent money to: what comes back from them may be no gift.
    """

    own_names: tuple[str, ...] = ()
    own_codes: frozenset[str] = frozenset()
    own_accounts: frozenset[str] = frozenset()
    acquirers: tuple[Acquirer, ...] = ()
    transit_codes: frozenset[str] = frozenset({"14360570"})
    paid_accounts: Container[str] = frozenset()


class Side(StrEnum):
    """Who must stand on the other side for a rule to fit."""

    OWN = "own"  # our own account or code
    OWN_NAME = "own_name"
    ACQUIRER = "acquirer"
    STRIPE = "stripe"
    COMPANY = "company"
    NOBODY = "nobody"  # no account is named, or a company's: never a person's
    PAID = "paid"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule; every condition it names must hold.

    sign: 1 for credits, -1 for debits, 0 for both. words and kinds: one of them must stand in the
    texts, or in the bank's own codes; of both one is enough. Words are compared folded, each as
    the beginning of a word; one that ends with a space is a whole word.
    """

    name: str
    line_class: LineClass
    sign: int = 0
    side: Side | None = None
    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    yields_to_code: bool = False


_REFUND_WORDS = ("повернен", "помилково")

RULES: tuple[Rule, ...] = (
    Rule("taken_back", LineClass.REVERSAL, marks=frozenset({"reversal"})),
    Rule("own_account", LineClass.OWN_TRANSFER, side=Side.OWN),
    Rule("own_name", LineClass.OWN_TRANSFER, side=Side.OWN_NAME, words=("переказ власних коштів", "власні кошти")),
    Rule("own_card", LineClass.OWN_TRANSFER, 1, words=("переказ зі своєї картки",), marks=frozenset({"card"})),
    Rule("stripe", LineClass.PAYOUT_STRIPE, 1, side=Side.STRIPE),
    Rule("acquirer", LineClass.PAYOUT_ACQUIRER, 1, side=Side.ACQUIRER, words=(
        "відшкодування", "еквайринг", "інтернет еквайринг", "екв ", "торг екв", "реєстр виплат", "plata", "liqpay",
        "wayforpay", "fondy",
    )),
    Rule("registry", LineClass.REGISTRY, 1, words=("згідно реєстру №", "згідно з реєстром №")),
    Rule("bank_fee", LineClass.FEE, -1, words=(
        "комісі", "за дебетування", "розрахункове обслуговування", "commission", "fee ", "fees ", "service charge",
        "entgelt", "kontofuehrung", "kontoführung",
    ), kinds=("CHRG", "COMM", "CHG")),
    Rule("treasury", LineClass.TAX, -1, side=Side.COMPANY, words=("гук ", "казначейств", "дпс ")),
    Rule("salary", LineClass.SALARY, -1, words=("заробітн", "зарплат", "аванс ", "відомост"), kinds=("SALA",)),
    Rule("tax", LineClass.TAX, -1, words=(
        "єсв ", "пдфо ", "військовий збір", "військового збору", "дпс ", "казначейств", "гук ",
    ), kinds=("TAXS",)),
    Rule("interest_code", LineClass.INTEREST, 1, kinds=("INTR",)),
    Rule("interest", LineClass.INTEREST, 1, side=Side.NOBODY, words=("відсотки", "відсотків", "проценти", "процентів"),
         yields_to_code=True),
    Rule("bank_return", LineClass.RETURNED_IN, 1, marks=frozenset({"return"})),
    Rule("return_code", LineClass.RETURNED_IN, 1, side=Side.PAID, kinds=("RRTN", "RTI")),
    Rule("return", LineClass.RETURNED_IN, 1, side=Side.PAID, words=_REFUND_WORDS, yields_to_code=True),
    Rule("refund", LineClass.REFUND_OUT, -1, words=_REFUND_WORDS),
    Rule("cash", LineClass.CASH, -1, words=("видача готівки", "зняття готівки"), kinds=("CWDL", "6010", "6011")),
    Rule("debit", LineClass.OTHER_OUT, -1),
    Rule("batch", LineClass.REVIEW, 1, marks=frozenset({"batch"})),
    Rule("invoice", LineClass.REVIEW, 1, side=Side.COMPANY, words=(
        "рахунок №", "рахунку №", "рахунком №", "рах №", "згідно рахунку", "за послуги", "рекламн", "реклам",
        "договір", "договор", "у т ч пдв", "в т ч пдв", "з пдв", "включно з пдв", "invoice",
    ), yields_to_code=True),
    Rule("gift", LineClass.GIFT, 1),
)  # fmt: skip

_COMPANY_NAMES = (
    "ТОВ ", "ТЗОВ ", "ТДВ ", "ПП ", "АТ ", "ПАТ ", "ПРАТ ", "ДП ", "КП ", "ФОП ", "LLC ", "LTD ",
    "ПРИВАТНЕ ПІДПРИЄМСТВО", "GMBH ", "ТОВАРИСТВО", "УК ", "UAB ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Classified:
    """A line's class and the name of the rule that took it."""

    line_class: LineClass
    rule: str


def classify(line: Line, world: World, *, has_code: bool = False, rules: tuple[Rule, ...] = RULES) -> Classified:
    """Take the first rule that fits. has_code: a valid support code stands in the line's texts."""
    sieve = _sieve(rules, 1 if line.is_credit else -1)
    text = f" {_folded(line.purpose, line.counterparty.name, line.paid_through)} "
    said = _Said(text if sieve.words.search(text) else "", _marks(line), frozenset(line.kind.split()))
    is_plain = not (said.text or said.marks) and said.kinds.isdisjoint(sieve.kinds)
    for rule in sieve.bare if is_plain else sieve.rules:
        if has_code and rule.yields_to_code:
            continue
        if _fits(rule, said) and (rule.side is None or _stands(rule.side, line, world)):
            return Classified(rule.line_class, rule.name)
    # Rules of the settings may be fewer than ours; even then no credit is hidden and no debit is a gift.
    return Classified(LineClass.GIFT if line.is_credit else LineClass.OTHER_OUT, "last")


@dataclass(frozen=True, slots=True)
class _Said:
    """What rules ask of a line, worked out once for all of them; text is "" where it holds no word of any rule."""

    text: str
    marks: frozenset[str]
    kinds: frozenset[str]


def _fits(rule: Rule, said: _Said) -> bool:
    if rule.marks and not rule.marks <= said.marks:
        return False
    if not rule.words and not rule.kinds:
        return True
    is_worded = bool(said.text and rule.words) and _any_of(rule.words).search(said.text) is not None
    return is_worded or not said.kinds.isdisjoint(rule.kinds)


def _marks(line: Line) -> frozenset[str]:
    marks = (
        "reversal" if line.is_reversal or line.standing is LineStanding.TAKEN_BACK else "",
        "return" if line.is_return else "",
        "batch" if line.batch_count > 1 else "",
        "card" if "card" in line.kind.split() else "",
    )
    return frozenset(filter(None, marks))


def _stands(side: Side, line: Line, world: World) -> bool:
    party = line.counterparty
    match side:
        case Side.OWN:
            is_transit = line.is_credit and party.code in world.transit_codes
            stands = party.account in world.own_accounts or (party.code in world.own_codes and not is_transit)
        case Side.OWN_NAME:
            stands = bool(party.name) and fold(party.name) in {fold(name) for name in world.own_names}
        case Side.ACQUIRER:
            stands = any(
                party.account in one.accounts or (bool(one.code) and party.code == one.code) for one in world.acquirers
            )
        case Side.STRIPE:
            stands = any(fold(text).startswith("STRIPE") for text in (party.name, line.paid_through, line.purpose))
        case Side.COMPANY:
            stands = len(party.code) == 8 or f"{fold(party.name)} ".startswith(_companies())
        case Side.NOBODY:
            stands = not party.account or len(party.code) == 8
        case Side.PAID:
            stands = bool(party.account) and party.account in world.paid_accounts
    return stands


@dataclass(frozen=True, slots=True)
class _Sieve:
    """The rules that lines of one sign are held against, and all that these look for.

    Nearly every line has nothing of it, and only the bare rules, which look for nothing, may fit it.
    """

    rules: tuple[Rule, ...]
    bare: tuple[Rule, ...]
    words: re.Pattern[str]
    kinds: frozenset[str]


@cache
def _sieve(rules: tuple[Rule, ...], sign: int) -> _Sieve:
    some = tuple(rule for rule in rules if rule.sign in (0, sign))
    words = tuple(word for rule in some for word in rule.words)
    kinds = frozenset(kind for rule in some for kind in rule.kinds)
    bare = tuple(rule for rule in some if not (rule.words or rule.kinds or rule.marks))
    return _Sieve(some, bare, _any_of(words), kinds)


@cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    stems = (f" {fold(word)}{' ' if word.endswith(' ') else ''}" for word in words)
    return re.compile("|".join(map(re.escape, stems)) or r"(?!)")


@cache
def _companies() -> tuple[str, ...]:
    return tuple(f"{fold(name)} " for name in _COMPANY_NAMES)


def _folded(*texts: str) -> str:
    return " | ".join(fold(text) for text in texts if text)
