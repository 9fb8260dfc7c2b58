"""Finished answers, served without asking anybody: what one depends on is its key, and nothing else is.

An answer is made by asking the app one canonical question: the path, and the parameters it depends on in
their canonical form. No header, no cookie, no host and no other parameter of a reader's request is in that
question, so none of them can be in the answer that other readers get.

What depends on few values is made when the service starts and never thrown away. What names the article a
reader came from is the same page with an address, and perhaps a title, written into it: made once with markers in
their place and cut there (`cut_page`), so that any article costs a joining of bytes, however many are made up.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import unquote_plus, urlencode

from support_service.door.cut_page import CutPage, Slot
from support_service.door.finished import Captured, Finished

# Answers of endless variety that are kept: articles read most, what embedders ask.
KEPT_MAX = 64
# Queries, as they were sent, whose answer is known without reading them; beyond it they are read anew.
SPELLINGS_MAX = 512
# Queries whose reading is remembered: those of the articles read most are sent again and again.
READINGS_MAX = 256
# Pages made for what readers chose together, such as a sum, each with its cut; of any number of them.
CHOSEN_MAX = 128
# Parameters looked at; nobody sends more who means well.
PARAMETERS_MAX = 64
# The parameter that names an answer's contents, so that it may be kept for ever.
VERSION = "v"

# The app, asked for a path and a canonical query.
Ask = Callable[[str, str], Captured]


@dataclass(frozen=True, slots=True)
class Together:
    """Parameters that are read as one, such as a sum: its amount, currency and how often.

    read gives them in one canonical form, "" where they say nothing; None where the app must be asked as the
    reader asks, for it asks back.
    """

    names: tuple[str, ...]
    read: Callable[[Mapping[str, str]], str | None]


@dataclass(frozen=True, slots=True)
class Depends:
    """What an answer depends on besides its path.

    choices: parameters of a few values each; whatever else is sent reads as the first of them.
    together: parameters that are checked and bounded by the one who reads them.
    slots: parameters of any value that are written into the page, such as the article; what stands behind the first
    counts only beside it.
    free: parameters of any value that the app must be asked about; kept while there is room.
    is_versioned: the address may carry the fingerprint of the contents.
    """

    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    together: Together | None = None
    slots: tuple[Slot, ...] = ()
    free: tuple[str, ...] = ()
    is_versioned: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Every parameter that matters."""
        together = self.together.names if self.together else ()
        return frozenset({*self.choices, *self.free, *together, *(slot.name for slot in self.slots), VERSION})

    def written(self, given: Mapping[str, str]) -> dict[str, str]:
        """Read what is written into the page, by the names of its parameters."""
        values: dict[str, str] = {}
        for slot in self.slots:
            value = slot.read(given.get(slot.name, ""))
            if value is not None:
                values[slot.name] = value
            elif not values:
                break
        return values

    def cuts(self) -> Iterator[tuple[Slot, ...]]:
        """Name the slots of every way in which the page may be cut, in their order."""
        if self.slots:
            first, *others = self.slots
            for count in range(len(others) + 1):
                for beside in itertools.combinations(others, count):
                    yield (first, *beside)

    def named(self, names: Collection[str]) -> tuple[Slot, ...]:
        """Return the slots of these names."""
        return tuple(slot for slot in self.slots if slot.name in names)


class QueryReading(NamedTuple):
    """What a query says: all that matters of it, its choices in one form, what is read as one, what is written."""

    given: Mapping[str, str]
    chosen: str
    together: str | None
    written: Mapping[str, str]


class ChosenPage(NamedTuple):
    """The page of a choice: its canonical query, and the names of the slots into which it is cut."""

    query: str
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the shelf has for a request; where it has nothing yet, the canonical query to ask the app.

    version: the fingerprint that the address carries, where it may carry one. page: the page to be made and cut first,
    where that was never asked for.
    """

    finished: Finished | None = None
    version: str = ""
    question: str = ""
    page: ChosenPage | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A page as it was made for what a reader chose, and the same page cut; no finished one where the app refused."""

    finished: Finished | None
    cut: CutPage | None = None


class Shelf:
    """The finished answers of one app, by path and by what each depends on."""

    def __init__(self, rules: Mapping[str, Depends]) -> None:
        self._rules = rules
        self._names = {path: depends.names for path, depends in rules.items()}
        self._spelled: dict[tuple[str, str], Found] = {}
        self._fixed: dict[tuple[str, str], Finished] = {}
        self._cut: dict[tuple[str, str, tuple[str, ...]], CutPage] = {}
        self._kept: OrderedDict[tuple[str, str], Finished] = OrderedDict()
        self._chosen: OrderedDict[tuple[str, ChosenPage], Made] = OrderedDict()
        self._reading = lru_cache(maxsize=READINGS_MAX)(self._read)

    def fill(self, ask: Ask) -> None:
        """Make every answer that depends on few values, and cut the pages that have a slot."""
        for path, depends in self._rules.items():
            for question in () if depends.free else _choices(depends):
                answer = ask(path, question)
                if answer.status != 200:
                    continue
                self.keep(path, question, answer)
                for slots in depends.cuts():
                    page = CutPage.of(slots, partial(_ask_more, ask, path, question))
                    if page:
                        self._cut[path, question, tuple(slot.name for slot in slots)] = page

    def find(self, path: str, query: str) -> Found | None:
        """Find the answer to a request; None where the app must be asked as the reader asks."""
        known = self._spelled.get((path, query))
        if known is not None:
            return known
        depends = self._rules.get(path)
        if depends is None:
            return None
        given, chosen, together, written = self._reading(path, query)
        if together is None:
            return None
        if together:
            return self._of_choice(path, _joined(chosen, together), written)
        if not written and not depends.free:
            version = given.get(VERSION, "") if depends.is_versioned else ""
            return self._spell(path, query, Found(self._fixed.get((path, chosen)), version, chosen))
        question = _joined(chosen, urlencode(written), _only(given, depends.free))
        return Found(self._endless(path, chosen, question, written), question=question)

    def _read(self, path: str, query: str) -> "QueryReading":
        depends = self._rules[path]
        given = _given(query, self._names[path])
        together = depends.together.read(given) if depends.together else ""
        written = {} if together is None else depends.written(given)
        return QueryReading(given, _canonical(given, depends), together, written)

    def make(self, ask: Ask, path: str, page: ChosenPage) -> Made:
        """Make the page of a choice and cut it, in a thread of the app's; `place` puts it on the shelf."""
        answer = ask(path, page.query)
        if answer.status != 200:
            return Made(None)
        slots = self._rules[path].named(page.slots)
        return Made(Finished(answer), CutPage.of(slots, partial(_ask_more, ask, path, page.query)) if slots else None)

    def place(self, path: str, page: ChosenPage, made: Made) -> None:
        """Keep the page of a choice; of all of them the one used longest ago goes."""
        self._chosen[path, page] = made
        if len(self._chosen) > CHOSEN_MAX:
            self._chosen.popitem(last=False)

    def _of_choice(self, path: str, query: str, written: Mapping[str, str]) -> Found:
        """Find the page of what was chosen together, with the article written into it."""
        # One slot is cut at once: who asks without an article is mostly followed by who asks with one.
        first = tuple(slot.name for slot in self._rules[path].slots[:1])
        page = ChosenPage(query, tuple(written) or first)
        made = self._chosen.get((path, page))
        if made is None:
            return Found(page=page)
        self._chosen.move_to_end((path, page))
        if not written:
            return Found(made.finished)
        question = _joined(query, urlencode(written))
        held = self._kept.get((path, question))
        if held is None and made.cut is not None:
            held = self._remember((path, question), made.cut.joined(tuple(written.values())))
        return Found(held, question=question)

    def keep(self, path: str, question: str, answer: Captured) -> Finished:
        """Keep what the app answered to a question; of those of endless variety the one used longest ago goes."""
        finished = Finished(answer)
        depends = self._rules[path]
        if depends.free or question not in set(_choices(depends)):
            return self._remember((path, question), finished)
        self._fixed[path, question] = finished
        return finished

    def _spell(self, path: str, query: str, found: Found) -> Found:
        """Remember which answer a query as it was sent leads to: the same few are sent again and again."""
        if found.finished is not None:
            if len(self._spelled) >= SPELLINGS_MAX:
                self._spelled.clear()
            self._spelled[path, query] = found
        return found

    def _endless(self, path: str, chosen: str, question: str, written: Mapping[str, str]) -> Finished | None:
        held = self._kept.get((path, question))
        if held is not None:
            self._kept.move_to_end((path, question))
            return held
        page = self._cut.get((path, chosen, tuple(written))) if written else None
        return self._remember((path, question), page.joined(tuple(written.values()))) if page else None

    def _remember(self, key: tuple[str, str], finished: Finished) -> Finished:
        self._kept[key] = finished
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return finished


def _choices(depends: Depends) -> Iterator[str]:
    """Write every canonical query of an answer's choices, that of the bare address first."""
    for values in itertools.product(*depends.choices.values()):
        yield urlencode(dict(zip(depends.choices, values, strict=True)))


def _canonical(given: Mapping[str, str], depends: Depends) -> str:
    chosen = {name: given.get(name, "") for name in depends.choices}
    return urlencode(
        {name: chosen[name] if chosen[name] in all_ else all_[0] for name, all_ in depends.choices.items()}
    )


def _only(given: Mapping[str, str], names: tuple[str, ...]) -> str:
    return urlencode({name: given[name] for name in names if name in given})


def _ask_more(ask: Ask, path: str, question: str, more: str) -> Captured:
    return ask(path, _joined(question, more))


def _joined(*queries: str) -> str:
    return "&".join(query for query in queries if query)


def _given(query: str, names: frozenset[str]) -> dict[str, str]:
    """Read the parameters that matter; of a name given twice the first counts, as everywhere."""
    given: dict[str, str] = {}
    for part in query.split("&", PARAMETERS_MAX)[:PARAMETERS_MAX]:
        name, _, value = part.partition("=")
        name = unquote_plus(name) if "%" in name else name
        if name in names and name not in given:
            given[name] = unquote_plus(value)
    return given
