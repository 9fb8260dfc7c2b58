"""Say which lines of a file are known already, and give each new one its locator. Pure.

A line has references (the bank's own) and natural keys (what it says of itself); either may be
missing in one source and present in the next. Both are counted: of m known lines under a key and k
in the file, max(0, k - m) are new. So a repeated, reordered or overlapping file adds nothing, and two
equal gifts of one day stay two.

The locator that came first stays; later references become aliases of the same line.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Protocol

from support_service.rails.bank.folding import squeeze
from support_service.rails.bank.line import Line, LineStanding

# One question to the ledger, and one report of it, for so many lines.
LINES_PER_QUESTION = 1_000
ACROSS = "~across|"


class Recognition(StrEnum):
    """What a line means for what is known."""

    NEW = "new"
    KNOWN = "known"
    CHANGED = "changed"  # known, and further on now: booked, or taken back


@dataclass(frozen=True, slots=True)
class KnownLine:
    """What must be kept of a line to know it again; keys is all that it may be found by.

    references and partial_references are the bank's, of one family of sources each: two lines of one
    family with different references are different lines, however alike they look. words: how much the source
    that told most said of it, in characters; -1 where that was not kept. is_live: the bank itself
    told it when it was asked, not only a file.
    """

    locator: str
    family: str
    standing: LineStanding
    references: frozenset[str] = frozenset()
    partial_references: frozenset[str] = frozenset()
    entry_parts: int = 1
    text: str = ""
    words: int = -1
    is_live: bool = False


Answers = Mapping[str, Sequence[KnownLine]]


class KnownLines(Protocol):
    """What the ledger serves. Keys hold digests, no names and no purposes."""

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KnownLine]]:
        """The known lines under each key, oldest first; keys without any may be absent."""
        ...


@dataclass(frozen=True, slots=True)
class Identified:
    """A line, its locator, and what to keep.

    known is the line as it was; None for a new one. kept replaces it. keys are all that the line is to
    be found by from now on: the ledger adds those that it has not. conflict says in words why a
    person should look; "" mostly.
    """

    line: Line
    locator: str
    outcome: Recognition
    known: KnownLine | None
    kept: KnownLine
    keys: tuple[str, ...]
    conflict: str = ""


@dataclass(slots=True)
class _FileTally:
    """What one file has used up so far: the locators of its lines, and where twins go on to be numbered."""

    taken: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    by_reference: dict[str, KnownLine] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyedLine:
    """A line with all its keys, worked out once. home is its locator without the last part."""

    line: Line
    home: str
    home_key: str
    keys: tuple[str, ...]
    sought: tuple[str, ...]


def in_questions(lines: Iterable[Line]) -> Iterator[list[KeyedLine]]:
    """Work out what lines are found by, so many at a time as one question is about; nobody is asked yet."""
    rest = iter(lines)
    while chunk := list(islice(rest, LINES_PER_QUESTION)):
        yield [_named(line) for line in chunk]


class Identifier:
    """Identifies the lines of ONE file or one read of an API, question by question in its order."""

    def __init__(self) -> None:
        self._file = _FileTally()

    def identify(self, chunk: Sequence[KeyedLine], known: KnownLines) -> list[Identified]:
        """Say of each line whether it is known; one question to the ledger is asked for all of them."""
        answers = known.find({key for one in chunk for key in (*one.keys, *one.sought)})
        return [_identify(one, answers, self._file) for one in chunk]


def identify(lines: Iterable[Line], known: KnownLines) -> Iterator[Identified]:
    """Identify all lines of ONE file or one read of an API, in its order."""
    identifier = Identifier()
    for chunk in in_questions(lines):
        yield from identifier.identify(chunk, known)


def _named(line: Line) -> KeyedLine:
    said = _said(line)
    reference = line.reference or f"~{hashlib.sha256(said[-1].encode()).hexdigest()[:16]}"
    # All lines without a reference that have one home say the same: they are found by what they say.
    home_key = f"home|{_digest(line.account, reference)}" if line.reference else said[-1]
    across, keys, sought = _across(line), [home_key, *said], list(said)
    keys += across
    if said[-1].startswith(("~text|", "~cut|")):
        keys.append(_text_key("~whole|", line))
        # A row that was cut off fits any row that it begins.
        sought.append(_text_key("~whole|" if line.may_be_cut else "~cut|", line))
    if line.reference:
        keys += [_reference_key(line), _entry_key(line)]
    home = f"{line.account}:{reference}:"
    return KeyedLine(line, home, home_key, tuple(dict.fromkeys(keys)), (*sought, *across))


def _identify(named: KeyedLine, answers: Answers, file: _FileTally) -> Identified:
    line = named.line
    known, conflict = _find(named, answers, file)
    if known is None:
        kept = _kept(_new_locator(named, answers, file), line)
        outcome = Recognition.NEW
    else:
        kept = _merged(known, line)
        is_further = line.standing.rank > known.standing.rank and not conflict
        outcome = Recognition.CHANGED if is_further else Recognition.KNOWN
    file.taken.add(kept.locator)
    if line.reference and line.is_reference_unique:
        file.by_reference[_reference_key(line)] = kept
    return Identified(line, kept.locator, outcome, known, kept, named.keys, conflict)


def _find(named: KeyedLine, answers: Answers, file: _FileTally) -> tuple[KnownLine | None, str]:
    """Find the known line that this one is: by reference, by another split of its entry, by what it says."""
    line = named.line
    if line.reference:
        key = _reference_key(line)
        # A reference that the bank gives but once is one line, also where a page repeats it.
        if key in file.by_reference:
            return file.by_reference[key], ""
        own = [one for one in answers.get(key, ()) if line.is_reference_unique or one.locator not in file.taken]
        # A file may have told as booked, on its booking day, what was on its way under this reference before.
        settled = next((one for one in own if one.standing is not LineStanding.PENDING), None)
        if own and settled is None and line.standing is not LineStanding.PENDING:
            settled = _said_before(named, answers, file, is_settled=True)
        if own:
            return settled or own[0], ""
        for one in answers.get(_entry_key(line), ()):
            if one.entry_parts != line.entry_parts:
                return one, "the bank splits this entry otherwise than before"
    return _said_before(named, answers, file), ""


def _said_before(named: KeyedLine, answers: Answers, file: _FileTally, *, is_settled: bool = False) -> KnownLine | None:
    """Find the known line that says the same of itself; is_settled: none that is still on its way."""
    line = named.line
    for key in named.sought:
        fitting = [one for one in answers.get(key, ()) if one.locator not in file.taken and _may_be(line, one, key)]
        if is_settled:
            fitting = [one for one in fitting if one.standing is not LineStanding.PENDING]
        if fitting:
            text, partial = _text(line), frozenset(line.partial_references)
            # Any pairing of twins leaves the totals equal; the likeliest one keeps their texts together.
            return max(fitting, key=lambda one: (bool(one.partial_references & partial), one.text == text))
    return None


def _may_be(line: Line, known: KnownLine, key: str) -> bool:
    """Tell whether nothing speaks against a line being a known one that says the same of itself."""
    if _namespace(known.family) != _namespace(line.family):
        return True
    if key.startswith(ACROSS):
        return False  # within one family the family's own key decides
    references = _references(line)
    if references and known.references and not references & known.references:
        return False
    partial = frozenset(line.partial_references)
    return not (partial and known.partial_references) or bool(partial & known.partial_references)


def _said(line: Line) -> tuple[str, ...]:
    """What a line says of itself, strongest first.

    Time to the second with the balance after it (monobank, card statements); document with account
    (PrivatBank, iBank 2); account (CAMT); else all its text. A pending line without reference never
    becomes a booked one by what it says: its keys are its own.
    """
    day, account = _day(line), line.counterparty.account
    if line.standing is LineStanding.PENDING and not line.reference:
        return (_key("~pending|", line, day, account, line.document, _text(line)),)
    partial = [_key("~bank|", line, one) for one in line.partial_references]
    if line.balance_after_units is not None and len(line.clock) == len("2026-09-02T21:11:00"):
        return (*partial, _key("~balance|", line, line.clock, str(line.balance_after_units)))
    if account:
        return (*partial, _key("~account|", line, day, line.document, account))
    if line.may_be_cut:
        return (*partial, _text_key("~cut|", line))
    return (*partial, _key("~text|", line, day, line.document, _text(line)))


def _across(line: Line) -> tuple[str, ...]:
    """The key that joins different kinds of sources of one account: day, sum and the other side's account."""
    if (
        not line.counterparty.account
        or line.day is None
        or (line.standing is LineStanding.PENDING and not line.reference)
    ):
        return ()
    return (_key(ACROSS, line, _day(line), line.counterparty.account),)


def _text_key(kind: str, line: Line) -> str:
    return _key(kind, line, _day(line), line.document, squeeze(line.counterparty.name))


def _reference_key(line: Line) -> str:
    return _key("reference|", line, line.reference, line.reference_part if line.is_reference_unique else "")


def _entry_key(line: Line) -> str:
    sign = "+" if (line.entry_units or 0) > 0 else "-"
    return f"entry|{_digest(line.account, line.reference, sign, str(abs(line.entry_units or 0)))}"


def _key(kind: str, line: Line, *words: str) -> str:
    """Kind and digest: account, signed sum and currency are in every key."""
    return f"{kind}{_digest(line.account, str(line.money.units), line.money.asset.code, *words)}"


def _digest(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:32]


def _references(line: Line) -> frozenset[str]:
    return frozenset({f"{line.reference}:{line.reference_part}"} if line.reference else ())


def _text(line: Line) -> str:
    """A digest of name and purpose, folded and without spaces: names are kept nowhere but with the line."""
    words = squeeze(line.counterparty.name), squeeze(line.purpose), line.document
    return _digest(*words)[:16] if any(words) else ""


def _day(line: Line) -> str:
    return line.day.isoformat() if line.day else ""


def _namespace(family: str) -> str:
    """Whose references are the same: a bank writes one reference into its CAMT and its MT940."""
    return "swift" if family in {"camt053", "mt940"} else family


def _kept(locator: str, line: Line) -> KnownLine:
    partial = frozenset(line.partial_references)
    return KnownLine(
        locator, line.family, line.standing, _references(line), partial, line.entry_parts, _text(line), words_of(line)
    )


def _merged(known: KnownLine, line: Line) -> KnownLine:
    """A known line with what this one adds; nothing is ever taken from it."""
    is_alike = _namespace(known.family) == _namespace(line.family) or not known.references
    return replace(
        known,
        standing=max(line.standing, known.standing, key=lambda standing: standing.rank),
        references=known.references | (_references(line) if is_alike else frozenset()),
        partial_references=known.partial_references | frozenset(line.partial_references),
        text=known.text or _text(line),
        words=max(known.words, words_of(line)),
    )


def words_of(line: Line) -> int:
    """Count what a line says: of two files the one that says more tells better what the line is."""
    party = line.counterparty
    texts = (line.purpose, line.structured_reference, party.name, party.account, party.code, line.payer_in_text)
    said = "".join(texts)
    return len(said) - said.count(" ")


def _new_locator(named: KeyedLine, answers: Answers, file: _FileTally) -> str:
    """Give "<account>:<reference>:<part>"; the part is the bank's own, or the next free number.

    Of lines that are alone under their reference nothing more is kept than that they are taken: files are long.
    """
    home, line = named.home, named.line
    known = {one.locator for one in answers.get(named.home_key, ()) if one.locator.startswith(home)}
    first = number = file.numbers.get(home, len(known) + 1)
    part = line.reference_part or str(number)
    while f"{home}{part}" in known or f"{home}{part}" in file.taken:
        number += 1
        part = f"{line.reference_part}.{number}" if line.reference_part else str(number)
    if number != first:
        file.numbers[home] = number
    return f"{home}{part}"


class RememberedLines:
    """Known lines in memory: for previews of several files, and for tests of the rules."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[str, None]] = {}
        self.by_locator: dict[str, KnownLine] = {}

    def find(self, keys: Collection[str]) -> Mapping[str, Sequence[KnownLine]]:
        """The known lines under each key, oldest first."""
        return {key: [self.by_locator[one] for one in self._by_key[key]] for key in keys if key in self._by_key}

    def remember(self, identified: Identified) -> None:
        """Keep a line and all that it is found by."""
        self.by_locator[identified.locator] = identified.kept
        for key in identified.keys:
            self._by_key.setdefault(key, {})[identified.locator] = None
