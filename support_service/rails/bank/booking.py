"""Lines of a statement -> reports for the ledger: known ones are left alone, new ones booked by their class.

A credit is never left out: what is no gift is booked as what it is, and counts nothing. Whatever a later line
takes back counts nothing either; an older or poorer file never brings it back.
"""

import hashlib
import json
import secrets
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time
from itertools import islice
from json.encoder import encode_basestring as quoted
from operator import attrgetter
from time import monotonic

from support_service.giving import (
    MATCH_PART,
    PAYER_KEY,
    STAND_PART,
    BankFacts,
    Direction,
    Donation,
    Identity,
    KeptLine,
    Kind,
    LineBooks,
    LineWork,
    MatchClaim,
    Observation,
    PaymentClaim,
    Personal,
    Report,
    StandClaim,
    State,
)
from support_service.giving.codes import CodeReading, candidates, read_code
from support_service.rails.bank import identity as known_by
from support_service.rails.bank.classes import Classified, LineClass, World, classify
from support_service.rails.bank.folding import squeeze
from support_service.rails.bank.identity import Identified, KeyedLine, KnownLine, Recognition
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.settings import BankChoices
from support_service.rails.books import LineLedger

# So many passes share a transaction: a page of an index that all of them change is written once, not by each. For as
# long everybody else who writes waits, and no machine is so slow that they give up: see WAIT_SECONDS_MAX of the ledger.
PASSES_PER_TRANSACTION = 4
TRANSACTION_SECONDS_MAX = 2.0

# A database's index takes keys of some 2,700 bytes; no bank's reference is nearly so long.
REFERENCE_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 2_000
RAW_CHARACTERS_MAX = 4_000

# More words than any line has: what lets go of a line outranks all that was told of it while it was on its way.
LET_GO = 2**31

# By what a line was matched where it was not: a code is cut off, or there are several.
HINT = "hint"

# What a class counts as; all others are no gifts.
KINDS = {
    LineClass.GIFT: Kind.DONATION,
    LineClass.REVIEW: Kind.REVIEW,
    LineClass.REGISTRY: Kind.REVIEW,
    LineClass.PAYOUT_STRIPE: Kind.PAYOUT,
    LineClass.PAYOUT_ACQUIRER: Kind.PAYOUT,
}
_STATES = {
    LineStanding.PENDING: State.SEEN,
    LineStanding.BOOKED: State.CONFIRMED,
    LineStanding.TAKEN_BACK: State.REPLACED,
}
_TEXT_FIELDS = tuple(one.name for one in fields(Line) if one.type in ("str", str))
_TEXTS = attrgetter(*_TEXT_FIELDS, "counterparty.name", "counterparty.account", "counterparty.code")


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line as a preview shows it; identity is that of its money."""

    line: Line
    identity: Identity
    outcome: Recognition
    classified: Classified
    reading: CodeReading
    conflict: str = ""

    @property
    def locator(self) -> str:
        """Its name in the ledger."""
        return self.identity.locator


@dataclass(slots=True)
class LineCounts:
    """How many lines of a file were new, known, or further on than before."""

    new: int = 0
    known: int = 0
    changed: int = 0
    gifts: int = 0
    matched: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def add(self, told: Iterable[PreviewLine]) -> None:
        """Count a pass through the file."""
        for one in told:
            match one.outcome:
                case Recognition.NEW:
                    self.new += 1
                case Recognition.KNOWN:
                    self.known += 1
                case Recognition.CHANGED:
                    self.changed += 1
            line_class = str(one.classified.line_class)
            self.classes[line_class] = self.classes.get(line_class, 0) + 1
            self.matched += bool(one.reading.code)
            if one.conflict:
                self.conflicts.append(f"{one.locator}: {one.conflict}")


def import_lines(
    lines: Iterable[Line],
    ledger: LineLedger,
    choices: BankChoices,
    *,
    now: datetime,
    is_dry: bool = False,
    importing: int | None = None,
) -> Iterator[list[PreviewLine]]:
    """Take the lines of ONE file in, some thousand in each transaction; yield what each pass found.

    importing: the number of the file's import; None where the bank itself was asked.
    Raises LedgerError; what was taken in before stays, and the file can be brought again.
    """
    importer = _Importer(lines, choices, now, is_live=importing is None)
    # What asks nobody is done while others may write.
    while importer.prepare():
        if is_dry:
            ledger.look(importer.next_pass)
        else:
            ledger.take(importer.next_pass, importing)
        yield from importer.told


class _Importer:
    """Goes through the lines of one file, pass by pass."""

    def __init__(self, lines: Iterable[Line], choices: BankChoices, now: datetime, *, is_live: bool) -> None:
        self._choices, self._now, self._is_live = choices, now, is_live
        self._issued: Mapping[str, str] = {}
        self._books: LineBooks | None = None
        self._questions, self._identifier = known_by.in_questions(map(_clean, lines)), known_by.Identifier()
        self._ready: deque[list[KeyedLine]] = deque()
        self._end = 0.0
        self._paid: set[str] = set()
        self.told: list[list[PreviewLine]] = []

    def prepare(self) -> bool:
        """Read what the next transaction is about; tell whether there is anything left."""
        self.told = []
        self._ready += islice(self._questions, PASSES_PER_TRANSACTION - len(self._ready))
        self._end = monotonic() + TRANSACTION_SECONDS_MAX
        return bool(self._ready)

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KnownLine]]:
        """Serve `identify` from the books of the present pass."""
        assert self._books is not None
        found = self._books.find(keys)
        return {key: [_remembered(one) for one in held] for key, held in found.items()}

    def next_pass(self, books: LineBooks) -> LineWork:
        """Say what the next of the prepared lines mean."""
        self._books = books
        chunk = [self._noted(one) for one in self._identifier.identify(self._ready.popleft(), self)]
        world = self._world(chunk, books)
        self._issued = books.issued(candidates(text for one in chunk if one.line.is_credit for text in one.line.texts))
        told = [self._tell(one, world) for one in chunk]
        self.told.append(told)
        known = {line.identity.ref for one, line in zip(chunk, told, strict=True) if one.known is not None}
        reports = self._reports(chunk, told, books.donations(known))
        kept = tuple(
            KeptLine(
                one.locator, one.line.account, line.identity.ref, _memo(one.kept),
                (*one.keys, *_paid_keys(one.line), *self._payer_keys(one.line)), one.outcome is Recognition.NEW,
            )
            for one, line in zip(chunk, told, strict=True)
            if one.known != one.kept or one.outcome is not Recognition.KNOWN or one.known is None
        )  # fmt: skip
        goes_on = bool(self._ready) and monotonic() < self._end
        return LineWork(reports, kept, told=tuple(one.locator for one in chunk), goes_on=goes_on)

    def _noted(self, one: Identified) -> Identified:
        return replace(one, kept=replace(one.kept, is_live=True)) if self._is_live and not one.kept.is_live else one

    def _payer_keys(self, line: Line) -> tuple[str, ...]:
        """Name who paid by a digest of account and tax code, else name; what others carried for them names nobody."""
        party, world = line.counterparty, self._choices.world
        is_theirs = party.account and party.code not in world.transit_codes and party.account not in world.own_accounts
        who = party.code or squeeze(party.name)
        if not (line.is_credit and line.books_money and is_theirs and who) or line.paid_through or line.payer_in_text:
            return ()
        text = f"{party.account}\x1f{who}"
        return (f"{PAYER_KEY}{hashlib.sha256(text.encode()).hexdigest()[:32]}",)

    def _world(self, chunk: Sequence[Identified], books: LineBooks) -> World:
        """Add whom we paid before, by the lines that were read until now."""
        self._paid.update(key for one in chunk for key in _paid_keys(one.line))
        credited = (one.line for one in chunk if one.line.is_credit and one.line.counterparty.account)
        asked = {_paid_key(line): line.counterparty.account for line in credited}
        paid = self._paid | set(books.find(asked.keys() - self._paid))
        return replace(self._choices.world, paid_accounts={asked[key] for key in asked.keys() & paid})

    def _tell(self, one: Identified, world: World) -> PreviewLine:
        reading = read_code(one.line.texts, self._issued) if one.line.is_credit else CodeReading()
        classified = classify(one.line, world, has_code=bool(reading.code))
        return PreviewLine(one.line, _identity(one), one.outcome, classified, reading, one.conflict)

    def _reports(
        self, chunk: Sequence[Identified], told: Sequence[PreviewLine], held: Mapping[str, Donation]
    ) -> tuple[Report, ...]:
        """Write one report for each account in the pass."""
        by_account: dict[str, list[Observation]] = {}
        for one, line in zip(chunk, told, strict=True):
            observed = self._observations(one, line, held.get(line.identity.ref))
            by_account.setdefault(one.line.account, []).extend(observed)
        return tuple(
            Report(f"bank:{account}", _key(observed), tuple(observed))
            for account, observed in by_account.items()
            if observed
        )

    def _observations(self, one: Identified, told: PreviewLine, held: Donation | None) -> Iterator[Observation]:
        identity = told.identity
        if one.outcome is not Recognition.KNOWN or _is_told_better(one, told, held):
            claim = self._claim(one, told.classified, held)
            # Of one standing the source that says most is believed: a poorer one never takes a word back.
            words = one.kept.words if one.known is None else known_by.words_of(one.line)
            yield Observation(identity, claim, rank=(one.line.standing.rank, words))
        if held is not None and held.stand is not None and held.is_taken_back:
            reason = f"told again, after: {held.stand.reason}"
            yield Observation(identity, StandClaim(stands=True, reason=reason), STAND_PART)
        if told.classified.line_class is LineClass.GIFT and one.line.books_money:
            yield from self._match(identity, one.line, told.reading)

    def _match(self, identity: Identity, line: Line, reading: CodeReading) -> Iterator[Observation]:
        """Say whose gift a line is, or by which words a person may find out."""
        if reading.code:
            by = "reference" if _is_structured(line, reading.code) else "code"
            reason = f"code {reading.code}, read {reading.tier}"
            intent = self._issued[reading.code]
            article = self._books.article_of(intent) if self._books else None
            yield Observation(identity, MatchClaim(reading.code, by, reason, intent, article), MATCH_PART, (0, 0))
        elif reading.rivals or reading.hint:
            # Below every match, so that a poorer file never takes one away.
            words = " ".join(reading.rivals) or reading.hint
            yield Observation(identity, MatchClaim(None, HINT, words), MATCH_PART, (-1, 0))

    def _claim(self, one: Identified, classified: Classified, held: Donation | None) -> PaymentClaim:
        line = one.line
        kind = KINDS.get(classified.line_class, Kind.OTHER)
        if line.standing is LineStanding.TAKEN_BACK and not line.is_reversal:
            # The line itself is what it was; only its money is gone.
            standing = classify(replace(line, standing=LineStanding.BOOKED), self._choices.world)
            kind = held.payment.kind if held else KINDS.get(standing.line_class, Kind.OTHER)
        place = self._choices.place_of(line.account)
        day = line.day or line.value_day or (date.fromisoformat(line.clock[:10]) if line.clock else self._now.date())
        return PaymentClaim(
            state=_STATES[line.standing], kind=kind, rail=place.rail, method=place.method,
            units=abs(line.money.units), exponent=line.money.asset.exponent,
            occurred_at=datetime.combine(day, time(12), UTC),
            personal=_personal(line),
            bank=BankFacts(str(classified.line_class), classified.rule, line.day),
        )  # fmt: skip


def _is_told_better(one: Identified, told: PreviewLine, held: Donation | None) -> bool:
    """Tell whether a known line is told with more words than before, and these make it another thing."""
    known, bank = one.known, held.payment.bank if held else None
    if known is None or bank is None or one.line.standing is not known.standing:
        return False
    is_richer = known_by.words_of(one.line) > known.words >= 0
    classified = told.classified
    is_other = (bank.line_class, bank.rule) != (str(classified.line_class), classified.rule)
    return is_richer and (is_other or not known.text)


def drop_pending(account: str, named: Collection[str], ledger: LineLedger, *, since: date) -> int:
    """Let go of what was on its way and is no more, from a day on: the bank named all that stands, by these locators.

    A line that is booked later nevertheless stands again: what lets it go ranks below every booking.
    """
    gone: list[Observation] = []

    def work(books: LineBooks) -> LineWork:
        gone.clear()
        for held in books.pending([account]):
            day = held.payment.bank.day if held.payment.bank else None
            if held.identity.locator not in named and (day is None or day >= since):
                claim = replace(held.payment, state=State.REPLACED)
                gone.append(Observation(held.identity, claim, rank=(LineStanding.PENDING.rank, LET_GO)))
        report = Report(f"bank:{account}", f"gone:{_key(gone)}", tuple(gone))
        return LineWork((report,) if gone else ())

    ledger.take(work)
    return len(gone)


def _identity(one: Identified) -> Identity:
    direction = Direction.IN if one.line.is_credit else Direction.OUT
    return Identity("", one.line.money.asset.code, one.line.account, direction, one.locator)


def _is_structured(line: Line, code: str) -> bool:
    plain = line.structured_reference.replace("-", "").replace(" ", "").upper()
    return code.replace("-", "") in plain


def _key(observed: Iterable[Observation]) -> str:
    """Name a report by what it claims: of the same lines, as far on as now, there is but one."""
    digest = hashlib.sha256()
    for seen in observed:
        match seen.claim:
            case PaymentClaim(state=state):
                word = f"{state} {seen.rank}"
            case MatchClaim(reason=reason) | StandClaim(reason=reason):
                word = reason
            case _:
                word = ""
        digest.update(f"{seen.identity.ref}\x1f{seen.part}\x1f{word}\x1e".encode())
    return digest.hexdigest()[:40]


def _personal(line: Line) -> Personal:
    party = line.counterparty
    # In the order of their names, as JSON is kept.
    told = (
        ("account", party.account), ("clock", line.clock), ("code", party.code), ("document", line.document),
        ("end_to_end", line.end_to_end), ("kind", line.kind), ("paid_through", line.paid_through),
    )  # fmt: skip
    held = ", ".join([f'"{name}": {quoted(value)}' for name, value in told if value])
    name, purpose, row = line.payer_in_text or party.name, line.purpose, line.raw[:RAW_CHARACTERS_MAX]
    if not (held or name or purpose or row):
        return Personal()
    text = f"{{{held}}}" if held else None
    salt = secrets.token_hex(16)
    return Personal(payer=name or None, message=purpose or None, salt=salt, party=text, row=row or None)


def _paid_key(line: Line) -> str:
    text = f"{line.account}\x1f{line.counterparty.account}"
    return f"paid|{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _paid_keys(line: Line) -> tuple[str, ...]:
    is_paid = not line.is_credit and line.books_money and not line.is_reversal and line.counterparty.account
    return (_paid_key(line),) if is_paid else ()


def _memo(kept: KnownLine) -> str:
    """Write it as JSON with sorted keys, put together by hand: an encoder is made anew for every call."""
    live = '"live": true, ' if kept.is_live else ""
    return (
        f'{{"family": {quoted(kept.family)}, {live}"partial": {_list(kept.partial_references)}, '
        f'"parts": {kept.entry_parts}, "references": {_list(kept.references)}, "standing": {quoted(kept.standing)}, '
        f'"text": {quoted(kept.text)}, "words": {kept.words}}}'
    )


def _list(texts: Collection[str]) -> str:
    return f"[{', '.join(map(quoted, sorted(texts)))}]"


def _remembered(kept: KeptLine) -> KnownLine:
    held = json.loads(kept.memo)
    return KnownLine(
        kept.locator, held["family"], LineStanding(held["standing"]), frozenset(held["references"]),
        frozenset(held["partial"]), held["parts"], held["text"], held.get("words", -1), held.get("live", False),
    )  # fmt: skip


def _clean(line: Line) -> Line:
    """Make every text one that a database and a digest take; what is longer than any bank writes is cut."""
    if _is_clean(line):
        return line
    changed: dict[str, object] = {}
    for name in _TEXT_FIELDS:
        text = getattr(line, name)
        if name in ("reference", "reference_part") and len(text) > REFERENCE_CHARACTERS_MAX:
            text = f"#{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"
        text = _text(text)
        if text != getattr(line, name):
            changed[name] = text
    party = Party(*(_text(one) for one in (line.counterparty.name, line.counterparty.account, line.counterparty.code)))
    if party != line.counterparty:
        changed["counterparty"] = party
    partial = tuple(_text(one)[:REFERENCE_CHARACTERS_MAX] for one in line.partial_references)
    if partial != line.partial_references:
        changed["partial_references"] = partial
    return replace(line, **changed) if changed else line  # type: ignore[arg-type]


def _is_clean(line: Line) -> bool:
    """Tell of nearly every line, in one look at all its texts, that nothing of it must be changed."""
    references = (line.reference, line.reference_part, *line.partial_references)
    said = "".join((*_TEXTS(line), *line.partial_references))
    try:
        said.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in said and all(len(one) <= REFERENCE_CHARACTERS_MAX for one in references)


def _text(text: str) -> str:
    if text.isascii() and "\0" not in text and len(text) <= TEXT_CHARACTERS_MAX:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "")
