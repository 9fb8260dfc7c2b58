"""Bodies, read whole on the event loop before any thread is taken: bounded in size, in time and all together."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from support_service.door.rsgi import Exchange, Headers

BODY_SECONDS_MAX = 8
# Bytes of small bodies that are being read or worked on, of everybody together: what a flood may make us hold.
BYTES_HELD_MAX = 32_000_000

_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How large a body may be, how a larger one is refused, how long it may take to come.

    held_max: how many bytes of such bodies, of everybody together, are held at most.
    """

    bytes_max: int
    status: int
    seconds_max: float = BODY_SECONDS_MAX
    held_max: int = BYTES_HELD_MAX


# Forms are small. The largest event that a processor sends is far below its limit: a larger one is not theirs.
FORMS = BodyLimit(64_000, 413)
WEBHOOKS = BodyLimit(256_000, 400)
# A bank's statement of a year. Two at a time: what is read of them leaves room for everybody's forms.
STATEMENTS = BodyLimit(20_064_000, 413, seconds_max=60, held_max=2 * 20_064_000)


class Refused(Exception):
    """A request that goes no further: `status` says why."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(str(status))


class Bodies:
    """Reads bodies and knows how many bytes of them are held. Used on the event loop alone."""

    def __init__(self) -> None:
        self._held: Counter[BodyLimit] = Counter()

    async def read(self, headers: Headers, exchange: Exchange, limit: BodyLimit) -> bytes:
        """Read a whole body, and hold its bytes until `release`; raise Refused.

        A length is asked for (411): without it a body that breaks off cannot be told from a whole one.
        """
        length = _length(headers.get_all("content-length"), headers.get_all("transfer-encoding"))
        if length > limit.bytes_max:
            raise Refused(limit.status)
        if not length:
            return b""
        body, is_whole = bytearray(), False
        try:
            async with asyncio.timeout(limit.seconds_max):
                async for piece in exchange:
                    self._hold(len(piece), limit)
                    body += piece
            is_whole = len(body) == length
        except TimeoutError:
            raise Refused(408) from None
        finally:
            if not is_whole:
                self.release(len(body), limit)
        if not is_whole:
            raise Refused(400)
        return bytes(body)

    def release(self, count: int, limit: BodyLimit) -> None:
        """Forget bytes that are done with."""
        self._held[limit] -= count
        assert self._held[limit] >= 0

    def _hold(self, count: int, limit: BodyLimit) -> None:
        # Statements fill no room but their own: whoever sends large bodies holds up no form and no webhook.
        shared = [one for one in self._held if (one is STATEMENTS) == (limit is STATEMENTS)]
        if sum(self._held[one] for one in shared) + count > limit.held_max:
            raise Refused(503)
        self._held[limit] += count


def limit_of(path: str) -> BodyLimit:
    """Tell how large a body may be, by the path below our prefix."""
    if path == "/staff/imports":
        return STATEMENTS
    return WEBHOOKS if path.startswith("/webhooks/") else FORMS


def _length(lengths: Sequence[str], codings: Sequence[str]) -> int:
    if codings:
        raise Refused(411)
    if not lengths:
        return 0
    if len(set(lengths)) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise Refused(400)
    return int(lengths[0])
