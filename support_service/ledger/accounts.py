"""Who staff are: people by their addresses, their roles, and the account that a password opens."""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select

from support_service.ledger.columns import from_micros
from support_service.ledger.errors import LedgerError
from support_service.ledger.invites import digest_of
from support_service.ledger.tables import staff

EMAIL_CHARS_MAX = 254  # RFC 5321, section 4.5.3.1.3, as erratum 1690 corrects it
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")

# A session has a time of the same name.
STAFF_COLUMNS = [column.label("staff_seen_at") if column is staff.c.seen_at else column for column in staff.c]


class PeopleError(LedgerError):
    """A person cannot be added or disabled; the text is for people."""


class Role(StrEnum):
    """What a person may do, each including the one before: look, book and export, everything."""

    VIEWER = "viewer"
    BOOKKEEPER = "bookkeeper"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Tell whether this role may do what asks for the needed one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Person:
    """One member of staff; the e-mail address is in lower case."""

    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None = None

    @property
    def source(self) -> str:
        """The name under which this person's reports stand in the ledger."""
        return f"staff:{self.email}"


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """A person, and the hash of their password as it stands."""

    person: Person
    hash: str

    @property
    def digest(self) -> str:
        """Name the account with its password of now: another password, another digest."""
        return digest_of(f"{self.person.email}\n{self.hash}")


def account_of(tx: Connection, email: str) -> StaffAccount | None:
    """Find an account by its address; one that was added before addresses had one form, by the text of then."""
    # An address nobody can have takes the same way as one that nobody has; PostgreSQL refuses NUL.
    plain = email.strip().lower() if email.isprintable() else ""
    known_as = dict.fromkeys((address_key(plain), plain, unicodedata.normalize("NFD", plain)))
    rows = tx.execute(select(*STAFF_COLUMNS).where(staff.c.email.in_(known_as))).mappings().all()
    found = {row["email"]: row for row in rows}
    row = next((found[one] for one in known_as if one in found), None)
    return None if row is None else StaffAccount(as_person(row), row["password_hash"])


def as_person(row: RowMapping) -> Person:
    """Read a row of STAFF_COLUMNS."""
    disabled_at = row["disabled_at"]
    return Person(
        email=row["email"],
        role=Role(row["role"]),
        created_at=from_micros(row["created_at"]),
        disabled_at=None if disabled_at is None else from_micros(disabled_at),
        seen_at=None if row["staff_seen_at"] is None else from_micros(row["staff_seen_at"]),
    )


def check_role(role: str) -> None:
    """Refuse what is no role with a PeopleError."""
    if role not in list(Role):
        raise PeopleError(f"{role!r} is no role; roles are {', '.join(Role)}")


def checked_email(text: str) -> str:
    """Bring an address to the form it is kept in; PeopleError where it is none."""
    address = address_key(text)
    if len(address) > EMAIL_CHARS_MAX or not address.isprintable() or not _EMAIL.fullmatch(address):
        raise PeopleError(f"{text[:80]!r} is not an e-mail address")
    return address


def address_key(text: str) -> str:
    """Write an e-mail address so that what people take for one address is one text.

    Lower case, NFC, and the domain as people write it: "xn--..." is read (RFC 5891).
    """
    user, at, domain = unicodedata.normalize("NFC", text.strip().lower()).rpartition("@")
    if "xn--" in domain:
        with suppress(UnicodeError):  # then it is nobody's domain, and stays as it is
            domain = domain.encode("ascii").decode("idna")
    return unicodedata.normalize("NFC", f"{user}{at}{domain}")
