"""Keys and signatures in minisign's files (jedisct1.github.io/minisign, "Signature format"): Ed25519, BLAKE2b.

What is written here `minisign -V` accepts, and the other way round. Pure, but for the making of keys.
"""

import base64
import binascii
import secrets
import struct
from dataclasses import dataclass, field
from hashlib import blake2b, scrypt
from importlib import import_module
from typing import Any

KEY_ID_BYTES, POINT_BYTES, SIGNATURE_BYTES = 8, 32, 64
# Legacy signatures are of the message, others of its BLAKE2b-512.
_LEGACY, _HASHED = b"Ed", b"ED"
_SCRYPT, _NO_KDF, _BLAKE = b"Sc", b"\0\0", b"B2"
_SECRET = struct.Struct("<2s2s2s32sQQ104s")
# libsodium's limits that give scrypt N = 2^18, r = 8, p = 1: a quarter of a gigabyte and a second a guess.
_OPERATIONS, _MEMORY_BYTES = 1 << 23, 1 << 28
# What minisign itself writes needs one gigabyte; a file that asks for more is not one of its own.
_MEMORY_BYTES_MAX = 1 << 30
COMMENT_CHARS_MAX = 1_024


class BadKey(ValueError):
    """A text is no key of minisign's, or its password is another one; nothing of it is repeated."""


class BadSignature(ValueError):
    """A signature is none, or of another message or key; the text says which, for people."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may sign: printed elsewhere, and set in the settings."""

    key_id: bytes
    point: bytes

    @property
    def text(self) -> str:
        """The line that begins with RW."""
        return base64.b64encode(_LEGACY + self.key_id + self.point).decode()

    @property
    def name(self) -> str:
        """The key's number, as minisign writes it."""
        return f"{int.from_bytes(self.key_id, 'little'):016X}"

    @property
    def file(self) -> str:
        """The public key as minisign's file."""
        return f"untrusted comment: minisign public key {self.name}\n{self.text}\n"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs. It never lies on the server."""

    key_id: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that proves what this one signs."""
        pair = _curve().construct(curve="Ed25519", seed=self.seed)
        return PublicKey(self.key_id, pair.public_key().export_key(format="raw"))


def make_key() -> SecretKey:
    """Make a new key."""
    return SecretKey(secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(POINT_BYTES))


def read_public_key(text: str) -> PublicKey:
    """Read a public key: its line, or its whole file; raises BadKey."""
    raw = _decoded(_last_line(text), BadKey("is no minisign public key: a line of 56 characters that begins with RW"))
    if len(raw) != 2 + KEY_ID_BYTES + POINT_BYTES or raw[:2] != _LEGACY:
        raise BadKey("is no minisign public key: a line of 56 characters that begins with RW")
    return PublicKey(raw[2:10], raw[10:])


def write_secret_key(key: SecretKey, password: str) -> str:
    """Write a secret key as minisign's file, locked by a password unless that is empty."""
    kept = key.key_id + key.seed + key.public.point
    kept += blake2b(_LEGACY + kept, digest_size=32).digest()
    salt, kdf = secrets.token_bytes(32), _SCRYPT if password else _NO_KDF
    operations, memory = (_OPERATIONS, _MEMORY_BYTES) if password else (0, 0)
    locked = _locked(kept, password, salt=salt, operations=operations, memory_bytes=memory) if password else kept
    raw = _SECRET.pack(_LEGACY, kdf, _BLAKE, salt, operations, memory, locked)
    comment = "minisign encrypted secret key" if password else "minisign secret key without a password"
    return f"untrusted comment: {comment}\n{base64.b64encode(raw).decode()}\n"


def needs_password(text: str) -> bool:
    """Tell whether a secret key's file is locked; raises BadKey."""
    return bool(_unpacked(text)[1] == _SCRYPT)


def read_secret_key(text: str, password: str) -> SecretKey:
    """Read minisign's file of a secret key; raises BadKey, also for a wrong password."""
    _, kdf, _, salt, operations, memory, kept = _unpacked(text)
    if kdf == _SCRYPT:
        kept = _locked(kept, password, salt=salt, operations=operations, memory_bytes=memory)
    body, check = kept[: KEY_ID_BYTES + 64], kept[KEY_ID_BYTES + 64 :]
    # Of an open key minisign writes no checksum; there the two halves of the key prove each other.
    if kdf == _SCRYPT and blake2b(_LEGACY + body, digest_size=32).digest() != check:
        raise BadKey("cannot be opened: the password is another one, or the file is damaged")
    key = SecretKey(body[:KEY_ID_BYTES], body[KEY_ID_BYTES : KEY_ID_BYTES + POINT_BYTES])
    if key.public.point != body[-POINT_BYTES:]:
        raise BadKey("is damaged: its two halves do not belong together")
    return key


def sign(key: SecretKey, message: bytes, comment: str) -> str:
    """Sign a message; the comment is signed with it."""
    assert "\n" not in comment
    assert len(comment) <= COMMENT_CHARS_MAX
    signer = _eddsa().new(_curve().construct(curve="Ed25519", seed=key.seed), "rfc8032")
    signature: bytes = signer.sign(blake2b(message).digest())
    over_all: bytes = signer.sign(signature + comment.encode())
    lines = (
        f"untrusted comment: signature of key {key.public.name}",
        base64.b64encode(_HASHED + key.key_id + signature).decode(),
        f"trusted comment: {comment}",
        base64.b64encode(over_all).decode(),
    )
    return "".join(f"{line}\n" for line in lines)


def verify(key: PublicKey, message: bytes, signature: str) -> str:
    """Hold a message against its signature; return the signed comment. Raises BadSignature."""
    none = BadSignature("is no minisign signature: four lines, as `manifest sign` writes them")
    lines = signature.removesuffix("\n").split("\n")
    if len(lines) != 4 or not lines[2].startswith("trusted comment: "):
        raise none
    raw, over_all = _decoded(lines[1], none), _decoded(lines[3], none)
    if len(raw) != 2 + KEY_ID_BYTES + SIGNATURE_BYTES or raw[:2] not in (_LEGACY, _HASHED):
        raise none
    if raw[2:10] != key.key_id:
        raise BadSignature(f"was made by another key than {key.name}")
    comment = lines[2].removeprefix("trusted comment: ")
    signed = message if raw[:2] == _LEGACY else blake2b(message).digest()
    if not (_is_signed(key, signed, raw[10:]) and _is_signed(key, raw[10:] + comment.encode(), over_all)):
        raise BadSignature("is not of this file: one of the two was changed")
    return comment


def _is_signed(key: PublicKey, message: bytes, signature: bytes) -> bool:
    eddsa = _eddsa()
    try:
        eddsa.new(eddsa.import_public_key(key.point), "rfc8032").verify(message, signature)
    except ValueError:
        return False
    return True


def _unpacked(text: str) -> tuple[Any, ...]:
    none = BadKey("is no minisign secret key")
    raw = _decoded(_last_line(text), none)
    if len(raw) != _SECRET.size:
        raise none
    found = _SECRET.unpack(raw)
    if found[0] != _LEGACY or found[1] not in (_SCRYPT, _NO_KDF) or found[2] != _BLAKE:
        raise none
    return found


def _locked(kept: bytes, password: str, *, salt: bytes, operations: int, memory_bytes: int) -> bytes:
    """Lock or unlock: the key XOR what scrypt makes of the password."""
    if memory_bytes > _MEMORY_BYTES_MAX or operations > _MEMORY_BYTES_MAX:
        raise BadKey("asks for more memory than minisign itself does")
    cost, blocks, lanes = _scrypt_parameters(operations, memory_bytes)
    stream = scrypt(
        password.encode(), salt=salt, n=cost, r=blocks, p=lanes, maxmem=cost * blocks * 128 + (1 << 24), dklen=len(kept)
    )
    return bytes(a ^ b for a, b in zip(kept, stream, strict=True))


def _scrypt_parameters(operations: int, memory_bytes: int) -> tuple[int, int, int]:
    """Choose N, r and p as libsodium's crypto_pwhash_scryptsalsa208sha256 does (pickparams)."""
    operations, blocks = max(operations, 32_768), 8
    is_bound_by_work = operations < memory_bytes // 32
    most = operations // (blocks * 4) if is_bound_by_work else memory_bytes // (blocks * 128)
    exponent = next(power for power in range(1, 63) if 1 << power > most // 2)
    if is_bound_by_work:
        return 1 << exponent, blocks, 1
    return 1 << exponent, blocks, max(1, min((operations // 4) >> exponent, 0x3FFFFFFF) // blocks)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if 0 < len(lines) <= 2 else ""


def _decoded(text: str, error: ValueError) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise error from None


# Late: who signs nothing does not pay for the library's memory.
def _curve() -> Any:
    return import_module("Crypto.PublicKey.ECC")


def _eddsa() -> Any:
    return import_module("Crypto.Signature.eddsa")
