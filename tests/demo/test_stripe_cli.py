"""Stripe's own command line as a second client of the stand-in, where it can reach nothing else.

`stripe trigger` runs scenarios that Stripe wrote. It looks for updates and counts its users, so it runs
in a network namespace of its own, in which there is only the loopback.
"""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.node import tool_folder

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120
# Scenario -> an event that must come of it.
SCENARIOS = {
    "payment_intent.created": "payment_intent.created",
    "payment_intent.succeeded": "payment_intent.succeeded",
    "payment_intent.payment_failed": "payment_intent.payment_failed",
    "payment_intent.canceled": "payment_intent.canceled",
    "charge.succeeded": "charge.succeeded",
    "charge.failed": "charge.failed",
    "charge.refunded": "charge.refunded",
    "charge.refund.updated": "charge.refund.updated",
    "charge.dispute.created": "charge.dispute.created",
    "charge.dispute.closed": "charge.dispute.closed",
    "customer.created": "customer.created",
    "customer.updated": "customer.updated",
    "customer.deleted": "customer.deleted",
    "customer.subscription.created": "customer.subscription.created",
    "customer.subscription.updated": "customer.subscription.updated",
    "customer.subscription.deleted": "customer.subscription.deleted",
    "payout.created": "payout.paid",
}
# Pays through the hosted page's private interface, which nobody documents: it ends there, after the session.
PRIVATE = "checkout.session.completed"


def alone() -> list[str] | None:
    """Return the command that runs another one without any network; None where this machine forbids it."""
    unshare = shutil.which("unshare")
    for flags in (["-n"], ["-r", "-n"]):
        if unshare and subprocess.run([unshare, *flags, "true"], capture_output=True, check=False).returncode == 0:
            return [unshare, *flags]
    return None


def binary() -> Path | None:
    """Return Stripe's command line; npm brings it as a package of this platform."""
    return next(iter(sorted(tool_folder().glob("@stripe/cli-*/bin/stripe"))), None)


@cache
def ran() -> Any:
    """Run every scenario once and return, by scenario, how it ended and what the stand-in then told."""
    prefix, stripe = alone(), binary()
    if prefix is None:
        pytest.skip("this machine lets nobody make a network namespace (unshare -n), and Stripe's CLI gets no network")
    if stripe is None:
        pytest.skip("Stripe's CLI is not installed for this platform: make test-setup")
    names = [*SCENARIOS, PRIVATE]
    command = [*prefix, sys.executable, "-m", "tests.fixtures.stripe_cli", str(stripe), *names]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=SECONDS_MAX)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_that_stripe_wrote_runs_to_its_end(scenario: str) -> None:
    told = ran()[scenario]
    assert told["code"] == 0, told["said"]
    assert SCENARIOS[scenario] in told["events"]


def test_the_checkout_scenario_goes_as_far_as_what_is_documented() -> None:
    told = ran()[PRIVATE]
    assert told["sessions"] == ["open"]
    assert "payment_pages" in told["said"]
