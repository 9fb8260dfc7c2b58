"""Outsiders' test vectors: each says in the file where it comes from and how it was checked."""

import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("payment-vectors.json")


def vectors(*standards: str) -> list[Any]:
    """Return the vectors of these standards as parameters `given` and `expected`, named by their case."""
    found = [one for one in _all() if one["standard"] in standards]
    assert found, f"no vector of {standards}"
    return [pytest.param(one["input"], one["expected"], id=one["case"]) for one in found]


def standards() -> set[str]:
    """Name every standard of which there are vectors."""
    return {one["standard"] for one in _all()}


def _all() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    return loaded
