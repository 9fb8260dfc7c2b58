"""The security table says what is so: each requirement once, each named test there, each number the code's own."""

import re
from collections import Counter
from datetime import timedelta
from functools import cache

import pytest

from support_service.door import QUERY_BYTES_MAX
from support_service.door.body import FORMS, STATEMENTS, WEBHOOKS
from support_service.ledger.invites import INVITE_LASTS
from support_service.ledger.login_limits import ATTEMPTS_MAX, NET_ATTEMPTS_MAX, STRANGERS_MAX
from support_service.ledger.new_passwords import LINK_LASTS
from support_service.ledger.password_hashes import PASSWORD_CHARS_MAX
from support_service.ledger.rate_limits import KEPT
from support_service.ledger.sessions import SESSION_IDLE, SESSION_LENGTH
from support_service.ledger.sign_in import CODES_MAX
from support_service.ledger.staff import PASSWORD_CHARS_MIN
from support_service.web.card.guard import LIMITS
from support_service.web.headers import FORM_PARTS_MAX
from support_service.web.staff.proof import PROOF_LASTS
from tests.fixtures.service import ROOT

PAGE = (ROOT / "config" / "deploy" / "asvs.md").read_text(encoding="utf-8")
WANTED = (ROOT / "tests" / "vectors" / "asvs-5.0.0.txt").read_text(encoding="utf-8").splitlines()[1:]
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+) \|$", PAGE, flags=re.MULTILINE)
TESTS = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
# How a line begins that no test shows, and what the table above the lines calls it.
KINDS = {
    "written: ": "written, in the sections below",
    "by reading: ": "by reading: it is so in the code, and no test says so",
    "does not apply: ": "does not apply",
    "the publisher's: ": "the publisher's: what we run on must do it",
    "not met: ": "**not met**",
}
SHOWN = "tests show it"


def kind_of(body: str) -> str:
    return next((name for start, name in KINDS.items() if body.startswith(start)), SHOWN)


def minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):.0f} minutes"


def hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):.0f} hours"


@cache
def names_in(file: str) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE))


def test_each_requirement_of_levels_1_and_2_has_one_line() -> None:
    assert [number for number, _, _ in ROWS] == WANTED and len(WANTED) == 253


def test_a_line_names_tests_that_there_are_or_its_reason() -> None:
    titles = re.findall(r"^### (.+)", PAGE, flags=re.MULTILINE)
    sections = {re.sub(r"[^a-z ]", "", title.lower()).replace(" ", "-") for title in titles}
    for number, _, body in ROWS:
        named, reason = TESTS.findall(body), body.partition(": ")[2]
        assert len(reason) > 5 if kind_of(body) != SHOWN else named, f"{number} has neither a test nor a reason"
        assert [f"{file}::{test}" for file, test in named if test not in names_in(file)] == [], number
        assert set(re.findall(r"\(#([\w-]+)\)", body)) <= sections, number


def test_the_counts_are_those_of_the_lines() -> None:
    told = {name: int(count) for name, count in re.findall(r"^\| ([^|]+) \| (\d+) \|$", PAGE, flags=re.MULTILINE)}
    assert told == Counter(kind_of(body) for _, _, body in ROWS)


@pytest.mark.parametrize(
    "said",
    [
        f"{QUERY_BYTES_MAX:,} bytes of query",
        f"a form {FORMS.bytes_max:,} bytes and {FORM_PARTS_MAX} fields, a webhook {WEBHOOKS.bytes_max:,}",
        f"up to {STATEMENTS.bytes_max // 1_000_000} MB",
        f"{LIMITS.place_max} in ten minutes a place",
        f"password of {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX:,} signs",
        f"An invitation lives {INVITE_LASTS.days} days, a link to a new password {minutes(LINK_LASTS)}",
        f"{ATTEMPTS_MAX} attempts a minute an account and a place, {NET_ATTEMPTS_MAX} a network",
        f"a network, {STRANGERS_MAX} in all",
        f"{CODES_MAX} wrong codes of an account in {hours(KEPT)}",
        f"ends after {minutes(SESSION_IDLE)} without a request and after {hours(SESSION_LENGTH)}",
        f"ask once more after {minutes(PROOF_LASTS)}",
        f"| {hours(KEPT)} |",
    ],
)
def test_what_is_decided_is_what_the_code_does(said: str) -> None:
    assert said in " ".join(PAGE.split())


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("https://") or (ROOT / "config" / "deploy" / target).exists()
