"""What a restored ledger must prove before anybody may rely on it."""

from importlib import import_module

from sqlalchemy import Connection, select

from support_service.ledger.backup.contents import Contents, read_moment
from support_service.ledger.engine import Database
from support_service.ledger.errors import BackupRefused
from support_service.ledger.queries import Head
from support_service.ledger.staff_tables import staff_new_password
from support_service.ledger.tables import report, staff_session
from support_service.ledger.verify import find_problems

PROBLEMS_TOLD_MAX = 3


def prove(url: str, contents: Contents, holds: Head | None) -> None:
    """Hold what was restored against what was saved, bring it to this version, and verify it; raises BackupRefused."""
    database = Database(url)
    try:
        with database.read_any() as tx:
            _refuse_another(tx, contents, holds)
        import_module("support_service.ledger").migrate(url)
        _refuse_unsound(find_problems(database))
        with database.write() as tx:
            # Everybody signs in again: who was shut out after the backup was taken has a session in it.
            tx.execute(staff_session.delete())
            tx.execute(staff_new_password.delete())
    finally:
        database.dispose()


def _refuse_another(tx: Connection, contents: Contents, holds: Head | None) -> None:
    if read_moment(tx) != contents.moment:
        raise BackupRefused("what was restored is not what was saved; nothing of it is kept")
    if holds is None:
        return
    found = tx.execute(select(report.c.hash).where(report.c.number == holds.number)).scalar_one_or_none()
    if found != holds.hash:
        raise BackupRefused(f"the backup holds another report {holds.number} than --holds asks for: another ledger")


def _refuse_unsound(problems: list[str]) -> None:
    if problems:
        told = "; ".join(problems[:PROBLEMS_TOLD_MAX])
        raise BackupRefused(f"the ledger in the backup is not sound ({len(problems)} problems): {told}")
