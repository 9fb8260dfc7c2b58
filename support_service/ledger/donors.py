"""One person in the books: what is kept of them, as a file, and erased. Postings and proofs stay as they are.

What points to a person stands in the table of personal data alone, named by digest; to erase is to empty those rows.
Search terms go with them by a trigger. What was erased stays erased, whatever is told again.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import Connection, select, text, update

from support_service.giving import Clock, Report
from support_service.ledger import canonical
from support_service.ledger.accept import accept_report
from support_service.ledger.canonical import body_of, personal_digest, read_raw
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.errors import LedgerError
from support_service.ledger.kept_forms import KeptForms, drop_forms
from support_service.ledger.months import SOURCE as MONTHS
from support_service.ledger.rows import digests_in, in_chunks, personal_by_digest
from support_service.ledger.search import write_words_again
from support_service.ledger.tables import donation, intent, observation, personal_data, report
from support_service.ledger.terms import email_of, folded, words_of

CHUNK_ROWS = 1_000
ASKED_CHARS_MIN = 4
# More than this in one person's name is more than one person.
BODIES_MAX = 5_000


# Opens a sealed form: what was typed in it and where, or None where it cannot be read.
ReadForm: TypeAlias = Callable[[str], Sequence[str] | None]
FORM = "form"
# So many words about one gift are looked through for an e-mail; most gifts have two or three.
CLAIMS_MAX = 200
_CHOSEN = personal_data.alias("chosen")


class DonorError(LedgerError):
    """The text fits too many people, or nobody can be meant by it; the text of the error is for people."""


@dataclass(frozen=True, slots=True)
class KeptOfPerson:
    """One thing that is kept of a person: what a gift or choice says of them, a message as it came, or a staff form."""

    digest: str
    kind: str
    stored_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Donor:
    """What is kept of one person, and the gifts that it belongs to (their refs); messages may speak of others, too.

    Forms of staff that could not be read are none of it; to erase takes them as well.
    """

    kept: tuple[KeptOfPerson, ...]
    donations: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is kept of them."""
        return not self.kept

    def as_json(self) -> str:
        """Write it for the person to have: each entry with its time; messages may speak of other people, too."""
        kept = [
            {"kept_since": one.stored_at.isoformat(), "kind": one.kind, "text": _as_said(one.body)} for one in self.kept
        ]
        return json.dumps({"gifts": list(self.donations), "kept": kept}, ensure_ascii=False, indent=2) + "\n"


class Donors:
    """The ledger's side of what people may ask about themselves; every method may raise LedgerError."""

    def __init__(self, database: Database, kept_forms: KeptForms, *, clock: Clock) -> None:
        self._database, self._kept_forms, self._clock = database, kept_forms, clock

    def find(self, asked: str, *, read_form: ReadForm = lambda _sealed: None) -> Donor:
        """Find what is kept of a person, by e-mail, account, address, name or the id of a gift; DonorError.

        All of what was typed must be in one text: a name of two words fits neither of the two alone. Everything is
        looked through, so this takes seconds in a large ledger. read_form: also forms of staff that wait for a sign-in.
        """
        is_it = _matcher(asked)
        found: dict[str, KeptOfPerson] = {}
        with self._database.read() as tx:
            named = _of_donation(tx, asked.strip())
        for chunk in self._chunks():
            found |= {one.digest: one for one in chunk if one.digest in named or is_it(one)}
            if len(found) > BODIES_MAX:
                raise DonorError(f"more than {BODIES_MAX} entries fit this; write the whole e-mail or name")
        told = {ref for one in found.values() if one.kind == "personal" and (ref := body_of(one.body))}
        with self._database.read() as tx:
            refs = _donations_of(tx, sorted(found)) | _known_refs(tx, sorted(told))
            beside = _messages_of(tx, refs) - set(found)
            found |= {one.digest: one for one in _read(tx, sorted(beside))}
        found |= {one.digest: one for one in self._forms(read_form) if is_it(one) or not refs.isdisjoint(_texts(one))}
        return Donor(tuple(sorted(found.values(), key=lambda one: (one.stored_at, one.digest))), tuple(sorted(refs)))

    def erase(self, asked: str, *, by: str, read_form: ReadForm = lambda _sealed: None) -> Donor:
        """Erase what `donor` finds, with a report that says when and how much; return what was erased.

        A form of staff that cannot be read goes, too: nobody knows that it does not name them.
        """
        held = self.find(asked, read_form=read_form)
        unread = [one.token_digest for one in self._kept_forms.all() if read_form(one.sealed) is None]
        with self._database.write() as tx:
            now = self._clock()
            _erase(tx, [one.digest for one in held.kept if one.kind != FORM], now)
            drop_forms(tx, [*unread, *(one.digest for one in held.kept if one.kind == FORM)], now)
            if not held.is_empty:
                key = f"erase:{to_micros(now)}:{len(held.kept)}"
                accept_report(tx, Report(f"staff:{by}", key), now)
        return held

    def forget_before(self, moment: datetime) -> int:
        """Erase what is kept of people for longer than the publisher wants; return how many entries."""
        forgotten = 0
        with self._database.write() as tx:
            _write_over(tx)
            drop_forms(tx, (), self._clock())
        kept = self._closings()
        while digests := self._older(moment, kept):
            with self._database.write() as tx:
                _erase(tx, digests, self._clock())
            forgotten += len(digests)
        return forgotten

    def email_of(self, ref: str) -> str | None:
        """Tell the e-mail that the giver of one donation gave: with the money, the choice, or by what was said before.

        None where none is known, or it was erased.
        """
        joined = donation.outerjoin(personal_data, personal_data.c.digest == donation.c.personal_digest)
        joined = joined.outerjoin(intent, intent.c.ref == donation.c.intent)
        joined = joined.outerjoin(_CHOSEN, _CHOSEN.c.digest == intent.c.personal_digest)
        asked = select(donation.c.id, personal_data.c.body, _CHOSEN.c.body.label("chosen")).select_from(joined)
        with self._database.read() as tx:
            row = tx.execute(asked.where(donation.c.ref == ref)).one_or_none()
            if row is None:
                return None
            return _email(row.body) or _email(row.chosen) or _email_said(tx, row.id)

    def _forms(self, read_form: ReadForm) -> Iterator[KeptOfPerson]:
        for one in self._kept_forms.all():
            if (typed := read_form(one.sealed)) is not None:
                yield KeptOfPerson(one.token_digest, FORM, one.kept_at, json.dumps(typed, ensure_ascii=False))

    def _older(self, moment: datetime, kept: Collection[str]) -> list[str]:
        asked = (
            select(personal_data.c.digest)
            .where(personal_data.c.stored_at < to_micros(moment), personal_data.c.body.is_not(None))
            .where(personal_data.c.digest.not_in(kept))
            .limit(CHUNK_ROWS)
        )
        with self._database.read() as tx:
            return list(tx.execute(asked).scalars())

    def _closings(self) -> list[str]:
        """Name the messages that hold the sums of closed months: they speak of no reader."""
        asked = select(report.c.raw_digest).where(report.c.source.startswith(MONTHS, autoescape=True))
        with self._database.read() as tx:
            return [digest for digest in tx.execute(asked).scalars() if digest]

    def _chunks(self) -> Iterator[list[KeptOfPerson]]:
        """Read everything that is kept, in short transactions."""
        after = ""
        while True:
            asked = select(personal_data).where(personal_data.c.digest > after, personal_data.c.body.is_not(None))
            with self._database.read() as tx:
                rows = tx.execute(asked.order_by(personal_data.c.digest).limit(CHUNK_ROWS)).mappings().all()
            if not rows:
                return
            yield [KeptOfPerson(row["digest"], row["kind"], from_micros(row["stored_at"]), row["body"]) for row in rows]
            after = rows[-1]["digest"]


def _as_said(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body


def cut_off(now: datetime, keep_days: int) -> datetime:
    """Tell before which moment data are too old."""
    return now - timedelta(days=keep_days)


def _matcher(asked: str) -> Callable[[KeptOfPerson], bool]:
    wanted = folded(" ".join(asked.split()))
    words = set(words_of(wanted))
    is_name = "@" in wanted or any(char.isdigit() for char in wanted) or len(words) > 1
    if len(wanted) < ASKED_CHARS_MIN or not words or not is_name:
        raise DonorError("write a whole e-mail, account, address or id, or a name of two words or more")

    def is_it(one: KeptOfPerson) -> bool:
        for said in _texts(one):
            plain = folded(said)
            if "@" in wanted or len(words) == 1:
                if wanted in plain:
                    return True
            elif words <= set(words_of(plain)):
                return True
        return False

    return is_it


def _texts(one: KeptOfPerson) -> Iterator[str]:
    """Give every text of an entry by itself: two people in one message are no one name."""
    try:
        held = json.loads(read_raw(one.body) or "null") if one.kind == "raw" else json.loads(one.body)
    except ValueError:
        yield one.body
        return
    yield from _strings(held)


def _strings(held: object) -> Iterator[str]:
    match held:
        case str() as said:
            try:
                inner = json.loads(said) if said[:1] in "{[" and said else None
            except ValueError:
                inner = None
            yield said
            yield from _strings(inner)
        case list():
            for one in held:
                yield from _strings(one)
        case dict():
            for one in held.values():
                yield from _strings(one)
        case _:
            return


def _of_donation(tx: Connection, ref: str) -> set[str]:
    """Name what is kept with the gift of this id, if it is one."""
    # PostgreSQL refuses NUL in a text; what cannot be read names no gift.
    asked = select(donation.c.id).where(donation.c.ref == (ref if ref.isprintable() else ""))
    return _digests(tx, tx.execute(asked).scalars().all())


def _digests(tx: Connection, numbers: Sequence[int]) -> set[str]:
    claims = select(observation.c.claim).where(observation.c.donation_id.in_(numbers))
    named = {digest for digest in map(personal_digest, tx.execute(claims).scalars()) if digest}
    chosen = (
        select(intent.c.personal_digest)
        .join(donation, donation.c.intent == intent.c.ref)
        .where(donation.c.id.in_(numbers), intent.c.personal_digest.is_not(None))
    )
    return named | set(tx.execute(chosen).scalars())


def _donations_of(tx: Connection, digests: Sequence[str]) -> set[str]:
    refs: set[str] = set()
    for chunk in in_chunks(digests):
        refs |= set(tx.execute(select(donation.c.ref).where(donation.c.personal_digest.in_(chunk))).scalars())
        chosen = select(donation.c.ref).join(intent, donation.c.intent == intent.c.ref)
        refs |= set(tx.execute(chosen.where(intent.c.personal_digest.in_(chunk))).scalars())
    return refs


def _known_refs(tx: Connection, refs: Sequence[str]) -> set[str]:
    """Keep those that are gifts: what earlier words said of a giver names its gift, though a later one counts."""
    asked = select(donation.c.ref)
    return {ref for chunk in in_chunks(refs) for ref in tx.execute(asked.where(donation.c.ref.in_(chunk))).scalars()}


def _messages_of(tx: Connection, refs: set[str]) -> set[str]:
    """Name the messages that told of gifts, and all that earlier ones said of their giver."""
    found: set[str] = set()
    for chunk in in_chunks(sorted(refs)):
        numbers = list(tx.execute(select(donation.c.id).where(donation.c.ref.in_(chunk))).scalars())
        found |= _digests(tx, numbers)
        raws = (
            select(report.c.raw_digest)
            .join(observation, observation.c.report_number == report.c.number)
            .where(observation.c.donation_id.in_(numbers), report.c.raw_digest.is_not(None))
        )
        found |= set(tx.execute(raws).scalars())
    return found


def _read(tx: Connection, digests: Sequence[str]) -> list[KeptOfPerson]:
    asked = select(personal_data).where(personal_data.c.body.is_not(None))
    return [
        KeptOfPerson(row["digest"], row["kind"], from_micros(row["stored_at"]), row["body"])
        for chunk in in_chunks(digests)
        for row in tx.execute(asked.where(personal_data.c.digest.in_(chunk))).mappings()
    ]


def _write_over(tx: Connection) -> None:
    if tx.dialect.name == "sqlite":
        # What is deleted is written over, so that no page of the file or of a backup still holds it.
        tx.execute(text("PRAGMA secure_delete = ON"))


def _erase(tx: Connection, digests: Sequence[str], now: datetime) -> None:
    _write_over(tx)
    values = {"body": None, "erased_at": to_micros(now)}
    told = _told_of(tx, digests)
    for chunk in in_chunks(digests):
        here = personal_data.c.digest.in_(chunk) & personal_data.c.body.is_not(None)
        tx.execute(update(personal_data).where(here).values(**values))
    write_words_again(tx, told)


def _told_of(tx: Connection, digests: Sequence[str]) -> list[int]:
    """Number the gifts that these data belong to: with their money, or with the choice that it follows."""
    refs: set[str] = set()
    found: set[int] = set()
    for chunk in in_chunks(digests):
        here = personal_data.c.digest.in_(chunk) & personal_data.c.body.is_not(None)
        bodies = tx.execute(select(personal_data.c.body).where(here, personal_data.c.kind == "personal")).scalars()
        refs |= set(map(body_of, bodies))
    for names in in_chunks(sorted(refs)):
        for column in (donation.c.ref, donation.c.intent):
            found |= set(tx.execute(select(donation.c.id).where(column.in_(names))).scalars())
    return sorted(found)


def _email_said(tx: Connection, donation_id: int) -> str | None:
    """Look through all that was ever said of a gift, the newest first: the last word need not tell who gave."""
    claims = select(observation.c.claim).where(observation.c.donation_id == donation_id)
    said = tx.execute(claims.order_by(observation.c.id.desc()).limit(CLAIMS_MAX)).scalars()
    digests = digests_in(said)
    bodies = personal_by_digest(tx, digests)
    return next((found for digest in digests if (found := _email(bodies.get(digest)))), None)


def _email(body: str | None) -> str | None:
    return email_of(canonical.read_personal(body))
