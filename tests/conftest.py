"""What every test gets: a closed network (loopback only) and the fixtures of tests/fixtures/."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.node",
    "tests.fixtures.bitcoin_node",
    "tests.fixtures.bitcoin",
    "tests.fixtures.service",
    "tests.fixtures.shared",
    "tests.fixtures.stripe",
    "tests.fixtures.tron",
    # It brings others of these with it.
    "tests.fixtures.shops",
]

TESTS = Path(__file__).parent
# What tests leave in circles is looked for seldom: each look goes over all that shared apps and statements hold, and
# took a twentieth of a run's time.
GARBAGE = (20_000, 50, 100)
_LOOPBACK = ("127.", "::1", "localhost")


# Files that take more than some seconds, the longest first. One that comes last would leave the other processes idle;
# `make test-quick` leaves them out. Written anew from a run of all: `python -m tests.tools.long_files JUNIT_XML`.
LONG = (TESTS / "long_files.txt").read_text(encoding="utf-8").split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files, and mark what is in them."""
    place = {TESTS / f"{name}.py": number for number, name in enumerate(LONG)}
    for item in items:
        if item.path in place:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collectstart() -> None:
    """Look for no garbage among thousands of tests while they are collected: they all stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Pass over what was collected from here on."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


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
