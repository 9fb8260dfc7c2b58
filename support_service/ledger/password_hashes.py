"""Password hashes: argon2id, made and checked by two threads of their own, whoever asks.

Two threads hold two hashes' memory, where sixteen would hold sixteen, and give it back when they are
done. Who asks while many wait is refused at once.
"""

import ctypes
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
HASH_KIB, HASH_PASSES, HASH_LANES = 19_456, 2, 1
# Hashes made at one time in one process: 2 x 19 MiB, however many people knock.
HASHES_AT_ONCE = 2
# Strangers find room for two that are hashed and four that wait: a tenth of a second. A browser that
# signed in before finds as much room again, so that no crowd of strangers keeps its owner waiting.
ROOM_OF_STRANGERS, ROOM = 6, 12
HASH_WAIT_SECONDS_MAX = 10

# mallopt(3): blocks above the threshold are the kernel's again as soon as they are free. glibc raises it to
# the largest block it ever freed, a hash's 19 MiB, and then keeps two of them for good; set, it stays put.
_M_MMAP_THRESHOLD, _BLOCK_BYTES_MAX = -3, 1_048_576

PASSWORD_CHARS_MAX = 1024

Result = TypeVar("Result")


class TooBusy(Exception):
    """As many passwords are being checked as may be; nothing was done for this one."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password fits, and the hash to keep from now on."""

    is_right: bool
    hash: str


class Hashing:
    """The two threads, made with the first hash: after a server has forked its worker."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=HASH_PASSES, memory_cost=HASH_KIB, parallelism=HASH_LANES)
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._asked = 0

    def hash(self, password: str) -> str:
        """Hash a password that was chosen; raises TooBusy."""
        return self._run(lambda: self._hasher.hash(prepared(password)), ROOM)

    def check(self, held: str, password: str, *, is_known: bool = False) -> Checked:
        """Check a password against a hash; the work is the same whatever the hash. Raises TooBusy.

        is_known: from a browser that signed in to this account before.
        """
        # Longer than anything that is taken when it is chosen: the answer is no.
        text = password[: PASSWORD_CHARS_MAX + 1]
        return self._run(lambda: self._check(held, text), ROOM if is_known else ROOM_OF_STRANGERS)

    def _check(self, held: str, password: str) -> Checked:
        wanted = prepared(password)
        # Hashes of earlier versions were made of the text as some keyboard wrote it.
        for text in dict.fromkeys((wanted, password, unicodedata.normalize("NFD", password))):
            if self._fits(held, text):
                is_current = text == wanted and not self._hasher.check_needs_rehash(held)
                return Checked(is_right=True, hash=held if is_current else self._hasher.hash(wanted))
        return Checked(is_right=False, hash=held)

    def _fits(self, held: str, text: str) -> bool:
        try:
            return self._hasher.verify(held, text.encode("utf-8", "surrogatepass"))
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _run(self, work: Callable[[], Result], room: int) -> Result:
        with self._lock:
            if self._asked >= room:
                raise TooBusy
            self._asked += 1
            self._threads = self._threads or _two_threads()
            done = self._threads.submit(work)
        done.add_done_callback(self._leave)
        try:
            return done.result(HASH_WAIT_SECONDS_MAX)
        except TimeoutError as error:
            done.cancel()
            raise TooBusy from error

    def _leave(self, _done: "Future[Result]") -> None:
        with self._lock:
            self._asked -= 1


def _two_threads() -> ThreadPoolExecutor:
    # Other C libraries than glibc have no such call, and give large blocks back by themselves.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES_MAX)
    return ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="hash")


def prepared(password: str) -> str:
    """Write a password in the one form that is hashed (RFC 8265, OpaqueString): any space is a space, NFC.

    A letter such as "й" is one character on some keyboards and two on others; case is kept.
    """
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in password)
    return unicodedata.normalize("NFC", spaced)


def _nobody() -> str:
    """Write a hash of the same cost that no password matches, for accounts nobody has."""
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={HASH_KIB},t={HASH_PASSES},p={HASH_LANES}${salt}${digest}"


HASH_OF_NOBODY = _nobody()
