"""`staff`: who may come in, told for people."""

from collections.abc import Callable

from support_service.commands.passwords import chosen_password
from support_service.ledger import Ledger
from support_service.settings.schema import Publisher


def add(
    ledger: Ledger, publisher: Publisher, email: str, role: str, *, is_from_stdin: bool, say: Callable[[str], None]
) -> None:
    """Let a person in by a password that was asked for, or one that is made and said this once."""
    password, is_made = chosen_password(is_from_stdin=is_from_stdin)
    person = ledger.people.add(email, role, password, publisher=(publisher.name, publisher.url))
    say(f"{person.email} may log in as {person.role}")
    if is_made:
        say(f"password: {password}")


def list_all(ledger: Ledger, *, say: Callable[[str], None]) -> None:
    """Name everybody."""
    for person in ledger.people.list():
        gone = f"disabled since {person.disabled_at:%Y-%m-%d}" if person.disabled_at else "active"
        say(f"{person.email}\t{person.role}\t{gone}")
