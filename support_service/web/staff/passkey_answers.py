"""Answers of passkeys, checked by py_webauthn: loaded when the first one comes, for that takes half a second. Pure."""

import struct
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

# What strangers send as an answer may be any JSON, and any bytes in it.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error)


class BadPasskey(ValueError):
    """An answer that does not fit what was asked."""


@dataclass(frozen=True, slots=True)
class PasskeyChallenge:
    """What a browser was asked: the challenge, and for whom (https://www.w3.org/TR/webauthn-3/, section 7)."""

    challenge: bytes
    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A passkey as a browser made it."""

    credential: str
    public_key: str
    signs: int


def read_new_key(answer: str, asked: PasskeyChallenge) -> NewKey:
    """Check the answer of a browser that made a passkey; raises BadPasskey."""
    library = _library()
    try:
        made = library.verify_registration_response(
            credential=answer,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origin,
            require_user_verification=True,
        )
    except (library.helpers.exceptions.WebAuthnException, *MALFORMED) as error:
        raise BadPasskey(type(error).__name__) from error
    written = library.helpers.bytes_to_base64url
    return NewKey(written(made.credential_id), written(made.credential_public_key), int(made.sign_count))


def read_signs(answer: str, asked: PasskeyChallenge, public_key: str, signs: int) -> int:
    """Check what a passkey signed, and return its new count; raises BadPasskey, also where it counts backwards."""
    library = _library()
    try:
        done = library.verify_authentication_response(
            credential=answer,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origin,
            credential_public_key=library.base64url_to_bytes(public_key),
            credential_current_sign_count=signs,
            require_user_verification=True,
        )
    except (library.helpers.exceptions.WebAuthnException, *MALFORMED) as error:
        raise BadPasskey(type(error).__name__) from error
    return int(done.new_sign_count)


def _library() -> ModuleType:
    return import_module("webauthn")
