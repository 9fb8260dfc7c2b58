"""What every test gets: a closed network (loopback only) and the fixtures of tests/fixtures/."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.node",
    "tests.fixtures.bitcoin_node",
    "tests.fixtures.bitcoin",
    "tests.fixtures.service",
    "tests.fixtures.stripe",
    "tests.fixtures.tron",
]

_LOOPBACK = ("127.", "::1", "localhost")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what starts nodes and browsers: a long file that comes last leaves the other process idle."""
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in ("node", "browser"))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    """Refuse every connection beyond this machine, so that no test can depend on the internet."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not str(host).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}; only loopback is allowed")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign,assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]
