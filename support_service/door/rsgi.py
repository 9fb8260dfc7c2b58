"""What the door uses of RSGI, the server's own interface (granian's specification, version 1.5)."""

from collections.abc import AsyncIterator
from typing import Protocol

HeaderList = list[tuple[str, str]]


class Headers(Protocol):
    """Header fields as they came; names are in lower case, and each spelling stands for itself."""

    def get_all(self, name: str) -> list[str]:
        """Return every value of one field, in the order of the request."""
        ...

    def items(self) -> HeaderList:
        """Return every field."""
        ...


class Scope(Protocol):
    """The head of a request. `path` is decoded, `query_string` is not; `client` is "address:port"."""

    @property
    def method(self) -> str:
        """GET, POST, ..."""
        ...

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        ...

    @property
    def query_string(self) -> str:
        """What follows the question mark, as it was sent."""
        ...

    @property
    def client(self) -> str:
        """Who is connected, as address and port."""
        ...

    @property
    def authority(self) -> str | None:
        """The host of a request line that holds a whole address; None as a rule."""
        ...

    @property
    def http_version(self) -> str:
        """1.0 or 1.1: the server is told to speak nothing else."""
        ...

    @property
    def headers(self) -> Headers:
        """The header fields."""
        ...


class Transport(Protocol):
    """An answer that is sent piece by piece."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a piece; waits while the reader is slow."""
        ...


class Exchange(Protocol):
    """One request and its answer: the body in, the answer out."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces of the body. A body that breaks off ends like a whole one."""
        ...

    def response_empty(self, status: int, headers: HeaderList) -> None:
        """Answer without a body."""
        ...

    def response_bytes(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Answer with a whole body; for HEAD the server sends its length alone."""
        ...

    def response_stream(self, status: int, headers: HeaderList) -> Transport:
        """Begin an answer whose length is not known."""
        ...
