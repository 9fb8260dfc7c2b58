"""Which methods may be shown: those that the signed manifest proves, and with a broken one none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support_service.giving import PaymentMethod
from support_service.manifest.document import DOCUMENT_BYTES_MAX, BadDocument, Document, differences, read_document
from support_service.manifest.minisign import BadSignature, PublicKey, verify

SIGNATURE_ENDING = ".minisig"
SIGNATURE_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signature counts, and the file that is signed; the signature lies beside it."""

    public_key: PublicKey
    file: Path

    @property
    def signature_file(self) -> Path:
        """Where the signature lies."""
        return self.file.with_name(self.file.name + SIGNATURE_ENDING)


class Unproved(ValueError):
    """The manifest proves nothing; the text says which file, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A manifest whose signature holds, as it was read."""

    document: Document
    text: bytes
    signature: str
    comment: str


@dataclass(frozen=True, slots=True)
class ManifestProof:
    """What may be shown, and what is wrong, one line each for people; `signed` is None where nothing is proved."""

    methods: tuple[PaymentMethod, ...]
    problems: tuple[str, ...] = ()
    signed: Signed | None = None


def prove(trust: Trust | None, methods: Sequence[PaymentMethod]) -> ManifestProof:
    """Decide which methods may be shown; without [manifest] all of them are."""
    if trust is None:
        return ManifestProof(tuple(methods))
    try:
        signed = read_signed(trust)
    except Unproved as error:
        return ManifestProof((), (f"no method is shown: {error}",))
    found = {method.key: differences(method, signed.document) for method in methods}
    problems = [problem for one in found.values() for problem in one]
    return ManifestProof(tuple(method for method in methods if not found[method.key]), tuple(problems), signed)


def read_signed(trust: Trust) -> Signed:
    """Read the manifest and prove it; raises Unproved."""
    text = _read(trust.file, DOCUMENT_BYTES_MAX)
    signature = _read(trust.signature_file, SIGNATURE_BYTES_MAX).decode("utf-8", "replace")
    return check_signed(trust.public_key, text, signature, name=str(trust.file))


def check_signed(key: PublicKey, text: bytes, signature: str, *, name: str) -> Signed:
    """Prove a manifest, wherever it came from; raises Unproved."""
    try:
        comment = verify(key, text, signature)
    except BadSignature as error:
        raise Unproved(f"the signature of {name} {error}; sign it again (`support-service manifest sign`)") from error
    try:
        return Signed(read_document(text), text, signature, comment)
    except BadDocument as error:
        raise Unproved(f"{name} {error}") from error


def _read(file: Path, bytes_max: int) -> bytes:
    try:
        with file.open("rb") as held:
            text = held.read(bytes_max + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unproved(f"{file}: {why}; put there what `support-service manifest sign` wrote") from error
    if len(text) > bytes_max:
        raise Unproved(f"{file} is too long for a manifest")
    return text
