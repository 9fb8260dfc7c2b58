"""What people type about themselves, under a salt of its own."""

import secrets

from support_service.giving import Personal

SALT_BYTES = 16


def typed_personal(*, payer: str | None, message: str | None = None, note: str | None = None) -> Personal:
    """Make personal data whose digest confirms no guess once they are erased."""
    return Personal(payer, message, note, secrets.token_hex(SALT_BYTES))
