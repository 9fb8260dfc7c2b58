"""`manifest keygen|sign|check` and `attest`: addresses that are signed elsewhere and compared from outside."""

import getpass
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import click

from support_service.assembly import Assembly
from support_service.commands.output import Say
from support_service.giving import utc_now
from support_service.manifest.answers import Truth
from support_service.manifest.attest import Unreachable, attest, fetch_answer
from support_service.manifest.document import DOCUMENT_BYTES_MAX, Document, differences, read_document, write_document
from support_service.manifest.minisign import (
    BadKey,
    PublicKey,
    make_key,
    needs_password,
    read_public_key,
    read_secret_key,
    sign,
    write_secret_key,
)
from support_service.manifest.proof import SIGNATURE_ENDING, Trust, Unproved, check_signed, read_signed

MANIFEST = "support-methods.json"
KEY_BYTES_MAX = 4_096
SIGNED_PATH = ".well-known/support-methods.signed.json"


class ManifestError(click.ClickException):
    """What cannot be signed, checked or compared; one line for people, exit 1."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whose signature counts, said on the command line instead of in the settings."""

    public_key: str = ""
    manifest: Path | None = None


def keygen(file: Path, *, password_from_stdin: bool, say: Say) -> None:
    """Make a key pair: FILE for the one who signs, FILE.pub for everybody."""
    password = _new_password(is_from_stdin=password_from_stdin)
    key, public_file = make_key(), file.with_name(f"{file.name}.pub")
    _write_new(file, write_secret_key(key, password), mode=0o600)
    _write_new(public_file, key.public.file, mode=0o644)
    say(f"{file}: signs; keep it away from the server{'' if password else ', and note that no password locks it'}")
    say(f"{public_file}: proves; put its line into the settings, and print it where readers find it:")
    say(f'[manifest]\npublic_key = "{key.public.text}"\nfile = "{MANIFEST}"')


def sign_methods(assembly: Assembly, key_file: Path, out: Path | None, *, password_from_stdin: bool, say: Say) -> None:
    """Sign every method as the settings have it now, and say what was signed."""
    try:
        text = _read_key(key_file)
        password = _password(is_from_stdin=password_from_stdin) if needs_password(text) else ""
        key = read_secret_key(text, password)
    except BadKey as error:
        raise ManifestError(f"{key_file}: {error}") from error
    trust = assembly.trust
    if trust is not None and trust.public_key != key.public:
        raise ManifestError(f"{key_file} is another key than manifest.public_key in {assembly.settings.file}")
    publisher, now = assembly.settings.publisher, utc_now().replace(microsecond=0)
    document = write_document(publisher.name, publisher.url, assembly.methods, now)
    file = out or (trust.file if trust else assembly.settings.file.absolute().parent / MANIFEST)
    comment = f"{publisher.name}: {len(assembly.methods)} methods, signed at {now.isoformat()}"
    for method in assembly.methods:
        say(f"{method.key}\t{'; '.join(value for _, value in method.facts)}")
    _replace(file.with_name(file.name + SIGNATURE_ENDING), sign(key, document, comment).encode())
    _replace(file, document)
    say(f"signed: {file} and {file.name}{SIGNATURE_ENDING}; put both on the server")


def check_methods(assembly: Assembly, known: Known, *, say: Say) -> list[str]:
    """Hold the settings against the signed manifest; return the differences."""
    trust = _trust(assembly, known)
    if trust is None:
        raise ManifestError(f"{assembly.settings.file} has no [manifest]: nothing is signed; see `manifest keygen`")
    try:
        signed = read_signed(trust)
    except Unproved as error:
        return [str(error)]
    found = [problem for method in assembly.methods for problem in differences(method, signed.document)]
    for key in sorted(set(signed.document.methods) - {method.key for method in assembly.methods}):
        say(f"{key}: signed, and not in the settings")
    if not found:
        say(f"{len(assembly.methods)} methods are as they were signed: {signed.comment}")
    return found


def attest_pages(urls: tuple[str, ...], known: Known, load: Callable[[], Assembly], *, say: Say) -> list[str]:
    """Fetch pages as readers get them; return what is not signed."""
    document = _document(urls, known, load, say)
    found = attest(urls, Truth.of(document))
    for line in found.lines:
        say(line)
    return found.differences


def _document(urls: tuple[str, ...], known: Known, load: Callable[[], Assembly], say: Say) -> Document:
    """Find the manifest: the file that is named, the settings' own, or with a key alone the server's signed one."""
    if known.public_key and known.manifest is None:
        return _fetched(urls[0], _public_key(known.public_key), say)
    assembly = None if known.public_key else load()
    trust = _trust(assembly, known)
    if trust is not None:
        try:
            signed = read_signed(trust)
        except Unproved as error:
            raise ManifestError(str(error)) from error
        say(f"compared with {trust.file}: {signed.comment}")
        return signed.document
    assert assembly is not None
    say(f"compared with {assembly.settings.file}, which nobody signed; see `support-service manifest keygen`")
    publisher = assembly.settings.publisher
    return read_document(write_document(publisher.name, publisher.url, assembly.methods, utc_now()))


def _fetched(url: str, key: PublicKey, say: Say) -> Document:
    where = urljoin(url, SIGNED_PATH)
    try:
        text, signature = fetch_answer(where).body, fetch_answer(where + SIGNATURE_ENDING).body
        signed = check_signed(key, text[:DOCUMENT_BYTES_MAX], signature.decode("utf-8", "replace"), name=where)
    except (Unreachable, Unproved) as error:
        raise ManifestError(f"{where}: {error}") from error
    say(f"compared with {where}: {signed.comment}")
    return signed.document


def _trust(assembly: Assembly | None, known: Known) -> Trust | None:
    own = assembly.trust if assembly else None
    key = _public_key(known.public_key) if known.public_key else own.public_key if own else None
    file = known.manifest or (own.file if own else None)
    if known.manifest is not None and key is None:
        raise ManifestError("whose signature? Name it with --public-key, or in [manifest] of the settings")
    if key is not None and file is None:
        raise ManifestError("which manifest? Name its file with --manifest")
    return Trust(key, file) if key is not None and file is not None else None


def _public_key(text: str) -> PublicKey:
    """Read a key that is given as its line, or as the name of its file."""
    file = Path(text)
    try:
        return read_public_key(file.read_text(encoding="utf-8") if len(text) < 200 and file.is_file() else text)
    except (BadKey, UnicodeDecodeError) as error:
        raise ManifestError(f"--public-key {error}") from error


def _read_key(file: Path) -> str:
    if file.stat().st_size > KEY_BYTES_MAX:
        raise BadKey("is no minisign secret key")
    return file.read_text(encoding="ascii", errors="replace")


def _new_password(*, is_from_stdin: bool) -> str:
    password = _password(is_from_stdin=is_from_stdin, prompt="Password for the new key (empty: none): ")
    if password and not is_from_stdin and sys.stdin.isatty() and getpass.getpass("Once more: ") != password:
        raise ManifestError("the two passwords differ; nothing was made")
    return password


def _password(*, is_from_stdin: bool, prompt: str = "Password of the key: ") -> str:
    if is_from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return getpass.getpass(prompt) if sys.stdin.isatty() else ""


def _write_new(file: Path, text: str, *, mode: int) -> None:
    """Write a file that was not there, for those alone that its mode names."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ManifestError(f"{file} is there already, and a key is never written over: name another file") from error
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(text)


def _replace(file: Path, text: bytes) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(text)
    part.replace(file)


def tell(problems: Iterable[str]) -> int:
    """Print differences for people and return the exit code."""
    code = 0
    for problem in problems:
        click.echo(problem, err=True)
        code = 1
    return code
