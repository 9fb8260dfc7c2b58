"""Files of statements that were brought: by whom, what they told, and how a whole file is taken back.

Nothing is deleted: taking back is a report of staff that says of each line that it does not stand, where
no other file and no answer of the bank tells it. Putting back is another report.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, Select, exists, func, insert, select, update

from support_service.giving import STAND_PART, Clock, Identity, Observation, Report, StandClaim
from support_service.ledger.accept import accept_report
from support_service.ledger.columns import from_micros, to_micros
from support_service.ledger.engine import Database
from support_service.ledger.rows import identity_of
from support_service.ledger.tables import donation, import_line, known_line, statement_import

LINES_PER_REPORT = 500
# A preview that nobody booked is forgotten: it holds who gave.
CONTENT_KEPT = timedelta(days=1)
IMPORTS_MAX = 50

_OTHER, _BROUGHT = import_line.alias("other"), statement_import.alias("brought")
_ALL_BUT_CONTENT = [column for column in statement_import.c if column.name != "content"]


@dataclass(frozen=True, slots=True)
class FileBrought:
    """A file as it came; content None: it is read elsewhere, by the command."""

    nonce: str
    by: str
    name: str
    digest: str
    form: str = ""
    account: str = ""
    profile: str = ""
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """One file that was brought. told: what it told, in words of the importer; "" until it is booked.

    content: the file, while it waits for a person. lines: how many lines it told; standing: how many of those
    that no other file tells stand.
    """

    number: int
    file: FileBrought
    started_at: datetime
    told: str
    booked_at: datetime | None
    taken_back_at: datetime | None
    taken_back_by: str | None
    lines: int = 0
    standing: int = 0


class Imports:
    """The ledger's side of files of statements; every method may raise LedgerError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def open(self, file: FileBrought) -> int:
        """Keep that a file came, and give it its number; the same nonce is the same import."""
        now = self._clock()
        with self._database.write() as tx:
            asked = select(statement_import.c.number).where(statement_import.c.nonce == file.nonce)
            held: int | None = tx.execute(asked).scalar_one_or_none()
            if held is not None:
                return held
            _forget(tx, now)
            number: int = tx.execute(select(func.coalesce(func.max(statement_import.c.number), 0))).scalar_one() + 1
            values = {name: getattr(file, name) for name in ("nonce", "by", "name", "digest", "form", "account")}
            values |= {"profile": file.profile, "content": file.content, "told": "", "started_at": to_micros(now)}
            tx.execute(insert(statement_import).values(number=number, **values))
            return number

    def end(self, number: int, told: str) -> None:
        """Keep what an import told; its rows stand with their lines, so the file is not kept."""
        values = {"told": told, "booked_at": to_micros(self._clock()), "content": None}
        with self._database.write() as tx:
            tx.execute(update(statement_import).where(statement_import.c.number == number).values(**values))

    def newest(self, before: int | None = None) -> tuple[Import, ...]:
        """List imports, the newest first."""
        asked = select(*_ALL_BUT_CONTENT).order_by(statement_import.c.number.desc()).limit(IMPORTS_MAX)
        if before is not None:
            asked = asked.where(statement_import.c.number < before)
        with self._database.read() as tx:
            return tuple(_read(row) for row in tx.execute(asked).mappings())

    def find(self, number: int) -> Import | None:
        """Look an import up, with how many of its lines stand."""
        with self._database.read() as tx:
            row = tx.execute(select(statement_import).where(statement_import.c.number == number)).mappings().first()
            if row is None:
                return None
            lines = select(func.count()).select_from(import_line).where(import_line.c["import"] == number)
            standing = select(func.count()).select_from(_own(number).subquery())
            return _read(row, tx.execute(lines).scalar_one(), tx.execute(standing).scalar_one())

    def take_back(self, number: int, source: str, nonce: str) -> int:
        """Let no line stand that this import alone tells; return how many these were."""
        reason = f"import {number}, {nonce[:8]}"
        with self._database.write() as tx:
            values = {"taken_back_at": to_micros(self._clock()), "taken_back_by": source}
            tx.execute(update(statement_import).where(statement_import.c.number == number).values(**values))
        return self._say(_own(number), StandClaim(stands=False, reason=reason), source, nonce)

    def put_back(self, number: int, source: str, nonce: str) -> int:
        """Let every line of an import stand again; return how many these were."""
        with self._database.write() as tx:
            values = {"taken_back_at": None, "taken_back_by": None}
            tx.execute(update(statement_import).where(statement_import.c.number == number).values(**values))
        reason = f"import {number} put back, {nonce[:8]}"
        asked = _lines(number).where(donation.c.stand.like('%"stands":false%'))
        return self._say(asked, StandClaim(stands=True, reason=reason), source, nonce)

    def _say(self, asked: Select[tuple[object, ...]], claim: StandClaim, source: str, nonce: str) -> int:
        """Say it of all lines asked for, some hundred in each report: those that were done are asked for no more."""
        done = 0
        while True:
            with self._database.write() as tx:
                rows = tx.execute(asked.order_by(donation.c.id).limit(LINES_PER_REPORT)).mappings().all()
                if not rows:
                    return done
                identities: list[Identity] = [identity_of(row) for row in rows]
                seen = tuple(Observation(identity, claim, STAND_PART) for identity in identities)
                accept_report(tx, Report(source, f"{nonce}:{claim.stands}:{done}", seen), self._clock())
                done += len(rows)


def _lines(number: int) -> Select[tuple[object, ...]]:
    """Ask for the money of all lines that an import tells."""
    joined = donation.join(known_line, known_line.c.ref == donation.c.ref)
    joined = joined.join(import_line, import_line.c.line == known_line.c.number)
    return select(donation).select_from(joined).where(import_line.c["import"] == number)


def _own(number: int) -> Select[tuple[object, ...]]:
    """Ask for the lines that stand and that this import alone tells: no other file, and no answer of the bank."""
    elsewhere = exists().where(
        _OTHER.c.line == known_line.c.number,
        _OTHER.c["import"] != number,
        _BROUGHT.c.number == _OTHER.c["import"],
        _BROUGHT.c.taken_back_at.is_(None),
    )
    stands = donation.c.stand.is_(None) | donation.c.stand.like('%"stands":true%')
    return _lines(number).where(stands, ~elsewhere, ~known_line.c.memo.like('%"live": true%'))


def _forget(tx: Connection, now: datetime) -> None:
    is_old = statement_import.c.started_at < to_micros(now - CONTENT_KEPT)
    tx.execute(update(statement_import).where(is_old, statement_import.c.content.is_not(None)).values(content=None))


def _read(row: RowMapping, lines: int = 0, standing: int = 0) -> Import:
    names = ("nonce", "by", "name", "digest", "form", "account", "profile")
    file = FileBrought(**{name: row[name] for name in names}, content=row.get("content"))
    return Import(
        number=row["number"],
        file=file,
        started_at=from_micros(row["started_at"]),
        told=row["told"],
        booked_at=_moment(row["booked_at"]),
        taken_back_at=_moment(row["taken_back_at"]),
        taken_back_by=row["taken_back_by"],
        lines=lines,
        standing=standing,
    )


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
