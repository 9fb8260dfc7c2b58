"""Stripe's own sample objects, which every answer starts from. Their licence lies beside them."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

from support_service.demo.json_values import Json

API_VERSION = "2026-10-28.endive"


@cache
def _samples() -> dict[str, Json]:
    told: dict[str, Json] = json.loads(Path(__file__).with_name("samples.json").read_text(encoding="utf-8"))
    return told


def sample(kind: str, **filled: Json) -> Json:
    """Return a new object of the kind with these fields filled in; a field it does not know is our mistake."""
    made = deepcopy(_samples()[kind])
    unknown = set(filled) - set(made)
    assert not unknown, f"a {kind} has no {unknown}"
    return made | filled
