"""Codes of an app on a phone (RFC 6238), and recovery codes for when it is lost: made, read, told apart.

Pure but for what is drawn at random.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime

import pyotp

from support_service.ledger.factors import CodeGiven
from support_service.ledger.invites import digest_of

# A phone's clock may be half a minute off, and a person types for some seconds.
STEPS_OFF_MAX = 1
RECOVERY_CODES = 10
RECOVERY_GROUPS, GROUP_CHARS = 6, 4
# Those of before were shorter, and still open.
_RECOVERY_GROUPS_BEFORE = 4
# Without the letters and digits that people take for one another.
_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)
_GROUPS = f"(?:[{_LETTERS}]{{{GROUP_CHARS}}})"
_RECOVERY = re.compile(f"{_GROUPS}{{{_RECOVERY_GROUPS_BEFORE}}}|{_GROUPS}{{{RECOVERY_GROUPS}}}", re.ASCII)


def new_key() -> str:
    """Make the key that an app makes its codes from: 160 bits in base32 (RFC 4226, section 4)."""
    return pyotp.random_base32(32)


def address_of(key: str, email: str, publisher: str) -> str:
    """Write a key as apps read it from a QR code."""
    # ":" parts the two names.
    return pyotp.TOTP(key).provisioning_uri(name=email, issuer_name=publisher.replace(":", " ")[:60])


def read_code(typed: str, key: str | None, now: datetime) -> CodeGiven | None:
    """Read what somebody typed as a code of this key at this time, or as a recovery code; None for neither."""
    text = "".join(sign for sign in typed[:100] if not sign.isspace() and sign != "-").upper()
    if _RECOVERY.fullmatch(text):
        return CodeGiven(recovery=digest_of(text))
    if key is None or not _DIGITS.fullmatch(text):
        return None
    totp = pyotp.TOTP(key)
    step_now = int(now.timestamp()) // totp.interval
    for step in range(step_now - STEPS_OFF_MAX, step_now + STEPS_OFF_MAX + 1):
        if secrets.compare_digest(totp.generate_otp(step), text):
            return CodeGiven(step=step)
    return None


def new_recovery() -> tuple[str, ...]:
    """Make recovery codes in groups that are easy to copy; of 118 bits each, which no plain digest gives away."""
    return tuple(
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(GROUP_CHARS)) for _ in range(RECOVERY_GROUPS))
        for _ in range(RECOVERY_CODES)
    )


def digests(recovery: Sequence[str]) -> list[str]:
    """Write recovery codes as they are kept."""
    return [digest_of(code.replace("-", "")) for code in recovery]
