"""Gifts by what a person remembers of them; every question is a walk along an index, newest first.

The terms of a gift are kept by accept and go with what they were made from: see `terms`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, literal_column, select, text

from support_service.giving import Listed, Personal
from support_service.ledger.canonical import dumps, read_personal
from support_service.ledger.engine import Database
from support_service.ledger.queries import Wanted, conditions, donations_with_people
from support_service.ledger.rows import (
    ByKeys,
    Values,
    digests_in,
    in_chunks,
    insert_values,
    personal_by_digest,
    read_donation,
)
from support_service.ledger.tables import donation, intent, observation, plan, search_term, total
from support_service.ledger.terms import PERSON, Beginning, email_of, read_asked, terms_of

ASKED_CHARS_MAX = 200
WORDS_MAX = 6
# A beginning of a word may mean so many words; whoever typed so little types more.
KEYS_MAX = 20
# Of a word that is in nearly every gift the newest so many are looked through.
CANDIDATES_MAX = 2_000
_LAST = "\U0010ffff"
_AFTER_ALL = (1 << 63) - 1

# The words that begin so, each found by one step from the one before: however many gifts have them.
_KEYS = text(
    """WITH RECURSIVE found(term) AS (
        SELECT (SELECT min(term) FROM search_term WHERE term >= :first AND term < :end)
        UNION ALL
        SELECT (SELECT min(term) FROM search_term WHERE term > found.term AND term < :end)
        FROM found WHERE found.term IS NOT NULL
    ) SELECT term FROM found WHERE term IS NOT NULL LIMIT :most"""
)
_OF_KEY = (
    select(search_term.c.donation_id)
    .where(search_term.c.term == bindparam("term"), search_term.c.donation_id < bindparam("before"))
    .order_by(search_term.c.donation_id.desc())
    .limit(bindparam("most"))
)
_AMONG = select(search_term.c.donation_id).where(
    search_term.c.term.in_(bindparam("terms", expanding=True)),
    search_term.c.donation_id.in_(bindparam("ids", expanding=True)),
)
_CHOSEN = ByKeys(select(intent.c.ref, intent.c.personal_digest), intent.c.ref)
_CLAIMS = ByKeys(
    select(observation.c.donation_id, observation.c.claim).order_by(observation.c.id), observation.c.donation_id
)
_WORDS = select(search_term.c.term, search_term.c.donation_id).where(
    search_term.c.donation_id.in_(bindparam("ids", expanding=True)), search_term.c.term >= literal_column(f"'{PERSON}'")
)


@dataclass(frozen=True, slots=True)
class FoundGifts:
    """A page of what was found, newest first; is_whole False: older gifts that fit may be missing."""

    listed: tuple[Listed, ...]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Word:
    """One word that was typed: the terms that it may mean, gifts that it names by themselves, and what it found."""

    keys: tuple[str, ...]
    ids: frozenset[int]
    is_whole: bool


class GiftSearch:
    """The ledger's side of the search box; every method may raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, asked: str, wanted: Wanted, *, before: int | None = None, limit: int = 50, with_people: bool
    ) -> FoundGifts:
        """Find gifts that have every word of what was asked; with_people: also by who gave and what they wrote."""
        words = read_asked(asked[:ASKED_CHARS_MAX], with_people=with_people)[:WORDS_MAX]
        with self._database.read() as tx:
            # What a single word found comes in the order of the list: more of it is on the next page.
            most = limit if len(words) == 1 and wanted == Wanted() else CANDIDATES_MAX
            found = [_look(tx, word, before or _AFTER_ALL, most) for word in words]
            if not found:
                return FoundGifts(())
            ids, is_whole = _in_all(tx, found)
            listed = _listed(tx, sorted(ids, reverse=True), wanted, limit)
            return FoundGifts(listed, is_whole or len(listed) == limit)


def _look(tx: Connection, beginnings: Iterable[Beginning], before: int, most: int) -> _Word:
    keys: list[str] = []
    direct: set[int] = set()
    is_whole = True
    for one in beginnings:
        beginning, is_term = one.text, one.is_term
        end = beginning + ("\x01" if is_term else _LAST)
        found = tx.execute(_KEYS, {"first": beginning, "end": end, "most": KEYS_MAX + 1}).scalars().all()
        is_whole = is_whole and len(found) <= KEYS_MAX
        keys += [term for term in found if not is_term or term == beginning]
        direct |= _named(tx, beginning[1:], before)
    ids: set[int] = set()
    for key in keys:
        of_key = tx.execute(_OF_KEY, {"term": key, "before": before, "most": most + 1}).scalars().all()
        is_whole = is_whole and len(of_key) <= most
        ids |= set(of_key)
    return _Word(tuple(keys), frozenset(ids | direct), is_whole)


def _named(tx: Connection, name: str, before: int) -> set[int]:
    """Find the gift of this id, and those of the plan of this name."""
    of_rails = select(total.c.rail).distinct()
    intents = select(plan.c.intent).where(plan.c.rail.in_(of_rails), plan.c.name == name)
    asked = select(donation.c.id).where(donation.c.id < before).order_by(donation.c.id.desc()).limit(CANDIDATES_MAX)
    found = set(tx.execute(asked.where(donation.c.ref == name)).scalars())
    return found | {
        number
        for chosen in tx.execute(intents).scalars()
        if chosen is not None
        for number in tx.execute(asked.where(donation.c.intent == chosen)).scalars()
    }


def _in_all(tx: Connection, words: Sequence[_Word]) -> tuple[set[int], bool]:
    """Intersect: begin with the rarest word, and ask of the common ones only whether they are there, too."""
    rarest, *others = sorted(words, key=lambda one: (not one.is_whole, len(one.ids)))
    ids = set(rarest.ids)
    for other in others:
        held = ids & other.ids
        if not other.is_whole:
            held |= _among(tx, other.keys, sorted(ids - held, reverse=True)[:CANDIDATES_MAX])
        ids = held
    return ids, rarest.is_whole


def _among(tx: Connection, keys: Sequence[str], ids: Sequence[int]) -> set[int]:
    return {one for chunk in in_chunks(ids) for one in tx.execute(_AMONG, {"terms": keys, "ids": chunk}).scalars()}


def _listed(tx: Connection, ids: Sequence[int], wanted: Wanted, limit: int) -> tuple[Listed, ...]:
    listed: list[Listed] = []
    for chunk in in_chunks(ids):
        if len(listed) >= limit:
            break
        asked = donations_with_people().where(donation.c.id.in_(chunk), *conditions(wanted))
        rows = tx.execute(asked.order_by(donation.c.id.desc()).limit(limit - len(listed))).mappings()
        listed += [Listed(row["id"], read_donation(row, row["personal_body"])) for row in rows]
    return tuple(listed)


@dataclass(frozen=True, slots=True)
class Told:
    """What the terms of a gift are made from: its row, and the digests of all that was said of people, newest first."""

    row: Values
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findable:
    """A gift before and after a report, and its personal data, where these are known already."""

    id: int
    before: Told | None
    after: Told
    personal: Personal | None = None


class KeptPeople:
    """What is kept of the people of some gifts: with the money, with the choice that it follows, and said before."""

    def __init__(self, tx: Connection, told: Iterable[Told], known: Mapping[str, str | Personal | None]) -> None:
        told = list(told)
        self._chosen = {row["ref"]: row["personal_digest"] for row in _CHOSEN.rows(tx, _intents(told))}
        asked = {digest for one in told for digest in (one.row["personal_digest"], *one.said)}
        self._kept = dict(known)
        fresh = {digest for digest in {*asked, *self._chosen.values()} if digest and digest not in self._kept}
        self._kept |= personal_by_digest(tx, sorted(fresh))

    def of(self, told: Told) -> list[Personal]:
        """Read them; where neither the money nor the choice tells an e-mail, with the newest that was told before."""
        near = {told.row["personal_digest"], self._chosen.get(told.row["intent"] or "")}
        people = [self._read(digest) for digest in near if digest]
        others = [digest for digest in told.said if digest not in near]
        if others and not any(map(email_of, people)):
            # The last word about a payment need not tell to whom its receipt went; an earlier one may.
            mail = next((mail for digest in others if (mail := email_of(self._read(digest)))), None)
            people += [] if mail is None else [Personal(party=dumps({"email": mail}))]
        return people

    def _read(self, digest: str) -> Personal:
        kept = self._kept.get(digest)
        if not isinstance(kept, Personal):
            kept = self._kept[digest] = read_personal(kept)
        return kept


def _intents(told: Iterable[Told]) -> list[str]:
    return sorted({one.row["intent"] for one in told if one.row["intent"]})


def move_terms(tx: Connection, changed: Sequence[Findable]) -> None:
    """Bring the terms up to date; rows whose facts and people stay as they are cost nothing."""
    moved = [one for one in changed if one.before is None or _facts(one.before) != _facts(one.after)]
    known: dict[str, str | Personal | None] = {
        one.after.row["personal_digest"]: one.personal for one in moved if one.personal is not None
    }
    kept = KeptPeople(tx, [told for one in moved for told in (one.before, one.after) if told is not None], known)
    rows: list[tuple[str, int]] = []
    for one in moved:
        now = terms_of(one.after.row, kept.of(one.after))
        before = frozenset[str]()
        if one.before is not None:
            before = terms_of(one.before.row, kept.of(one.before))
            drop_terms(tx, one.id, before - now)
        rows += [(term, one.id) for term in now - before]
    # In the order in which they stand on disk.
    insert_values(tx, search_term, ("term", "donation_id"), sorted(rows))


def _facts(told: Told) -> tuple[object, ...]:
    names = ("state", "units", "exponent", "tx", "support_code", "article", "personal_digest", "intent")
    return (told.row["state"] is None, told.said, *(told.row[name] for name in names[1:]))


def drop_terms(tx: Connection, donation_id: int, terms: Iterable[str]) -> None:
    """Forget terms of a gift."""
    for chunk in in_chunks(sorted(terms)):
        here = (search_term.c.donation_id == donation_id, search_term.c.term.in_(chunk))
        tx.execute(delete(search_term).where(*here))


def told_of(tx: Connection, rows: Sequence[Values]) -> list[Told]:
    """Read what the terms of stored rows are made from."""
    claims: dict[int, list[str]] = {row["id"]: [] for row in rows}
    for row in _CLAIMS.rows(tx, list(claims)):
        claims[row["donation_id"]].append(row["claim"])
    return [Told({**row, "units": int(row["units"] or 0)}, digests_in(reversed(claims[row["id"]]))) for row in rows]


def write_words_again(tx: Connection, ids: Sequence[int]) -> None:
    """Write the words of people that are left of gifts of which something was erased, and with it all their words."""
    for chunk in in_chunks(ids):
        rows = tx.execute(select(donation).where(donation.c.id.in_(chunk))).mappings().all()
        told = told_of(tx, rows)
        kept = KeptPeople(tx, told, {})
        words = {
            one.row["id"]: [term for term in terms_of(one.row, kept.of(one)) if term.startswith(PERSON)] for one in told
        }
        held = {tuple(row) for row in tx.execute(_WORDS, {"ids": list(words)})}
        missing = [(term, number) for number, terms in words.items() for term in terms if (term, number) not in held]
        insert_values(tx, search_term, ("term", "donation_id"), sorted(missing))
