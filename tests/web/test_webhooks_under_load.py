"""Deliveries at the running server: shuffled, duplicated, at once, partly forged, and killed with -9 meanwhile."""

from pathlib import Path

import pytest

from tests.load.webhooks import Plan, play


@pytest.mark.parametrize(
    ("kind", "plan"),
    [
        ("sqlite", Plan(payments=250, deliveries=1_000, kills=2)),
        ("sqlite", Plan(payments=250, deliveries=1_000, kills=2, processor="mono")),
        pytest.param("postgresql", Plan(payments=100, deliveries=400, kills=1, seed=2), marks=pytest.mark.postgres),
    ],
)
def test_nothing_is_lost_doubled_or_invented(
    kind: str, plan: Plan, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ending = play(plan, request.getfixturevalue(f"{kind}_url"), tmp_path)
    assert ending.problems == [], str(ending)
    assert ending.statuses["forged 400"] == plan.deliveries // 10
    assert ending.statuses["genuine 200"] == plan.deliveries - plan.deliveries // 10
    assert ending.statuses["genuine no answer"] > 0, "no kill was felt"
