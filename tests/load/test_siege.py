"""The web part under attack, in a small form of `make siege`: readers are answered all the while."""

import asyncio
from pathlib import Path

from tests.fixtures.door import loop
from tests.load.siege import besiege


def test_readers_are_answered_whatever_attacks_the_door(tmp_path: Path) -> None:
    ending = asyncio.run_coroutine_threadsafe(besiege(tmp_path, seconds=2, connections=300), loop()).result(300)
    assert ending.problems == []
    assert all(len(one.waits_ms) >= 10 for one in ending.outcomes)
