"""What staff sign in with besides a password, and what waits until they have: tables beside those in tables.py."""

from sqlalchemy import Column, Table, Text

from support_service.ledger.tables import WholeNumber, metadata

staff_kept_form = Table(
    "staff_kept_form",
    metadata,
    Column("token_digest", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("kept_at", WholeNumber, nullable=False),
    Column("sealed", Text, nullable=False),
)

staff_code_key = Table(
    "staff_code_key",
    metadata,
    Column("email", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("made_at", WholeNumber, nullable=False),
    Column("confirmed_at", WholeNumber),
    Column("step_used", WholeNumber, nullable=False),
)

staff_recovery_code = Table(
    "staff_recovery_code",
    metadata,
    Column("email", Text, primary_key=True),
    Column("code_digest", Text, primary_key=True),
    Column("used_at", WholeNumber),
)

staff_passkey = Table(
    "staff_passkey",
    metadata,
    Column("credential", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("signs", WholeNumber, nullable=False),
    Column("made_at", WholeNumber, nullable=False),
    Column("used_at", WholeNumber),
)

staff_spent = Table(
    "staff_spent",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kept_until", WholeNumber, nullable=False),
)

staff_new_password = Table(
    "staff_new_password",
    metadata,
    Column("token_digest", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("expires_at", WholeNumber, nullable=False),
    Column("used_at", WholeNumber),
)

staff_issuer_account = Table(
    "staff_issuer_account",
    metadata,
    Column("account_digest", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("bound_at", WholeNumber, nullable=False),
    Column("used_at", WholeNumber, nullable=False),
)
