"""Three watchers and two web processes on one PostgreSQL: killed, stopped for longer than a lease, set to another time.

Nothing is lost or doubled, nobody is told twice, and at any time one of them asks the node.
"""

import re
import signal
import time
from http.cookiejar import CookieJar
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.fixtures.machines import ETH, Machines, caught_asking, machines
from tests.fixtures.node import Node
from tests.fixtures.service import Start, answer, free_port, until
from tests.fixtures.staff import ANNA, PASSWORD

pytestmark = [pytest.mark.node, pytest.mark.postgres]

LEASE_SECONDS = 2.0
# A lease that ends, the rest until somebody looks, and a busy machine.
TAKEOVER_SECONDS_MAX = LEASE_SECONDS * 1.5 + 40


def test_whatever_happens_to_machines_one_reads_and_nothing_is_lost_doubled_or_told_twice(
    tmp_path: Path, postgresql_url: str, node: Node, start: Start
) -> None:
    with machines(tmp_path, postgresql_url, node, lease=LEASE_SECONDS) as here:
        ports = [free_port(), free_port()]
        for port in ports:
            start("--config", here.web_settings, "web", "--port", port)
        for one in here.all:
            one.start()
        until(lambda: here.has_begun() and ready(ports) == [200, 200], seconds=120)
        handed = 0
        here.give()
        here.settle(seconds=TAKEOVER_SECONDS_MAX)
        first = here.reader()
        assert first is not None and sum(bool(one.asked) for one in here.all) == 1

        # It dies while the node answers it.
        caught_asking(first, lambda: first.send(signal.SIGKILL), seconds=30)
        here.give()
        second = here.other_reader(first, seconds=TAKEOVER_SECONDS_MAX)
        first.end()
        handed += 1
        here.settle(seconds=TAKEOVER_SECONDS_MAX)

        # It is stopped while the node answers it, for as long as another takes over and reads on.
        caught_asking(second, lambda: second.send(signal.SIGSTOP), seconds=30)
        here.give()
        third = here.other_reader(second, seconds=TAKEOVER_SECONDS_MAX)
        handed += 1
        here.settle(seconds=TAKEOVER_SECONDS_MAX)
        woken = time.monotonic()
        second.send(signal.SIGCONT)
        until(lambda: third.asked_since(woken) > 3)
        assert second.asked_since(woken) == 0, "whoever comes back asks nobody"

        # Its clock jumps, forth and back: it has the lease by another one.
        for seconds in (86_400, 60, 7_200):
            third.jump(seconds)
            jumped = time.monotonic()
            here.give()
            until(lambda since=jumped: third.asked_since(since) > 2)  # type: ignore[misc]
            assert here.reader() is third and not second.asked_since(woken)
        here.settle(seconds=TAKEOVER_SECONDS_MAX)

        # It is cut off from the database, and nobody tells it.
        third.line.cut()
        here.give()
        fourth = here.other_reader(third, seconds=TAKEOVER_SECONDS_MAX)
        taken = time.monotonic()
        handed += 1
        here.settle(seconds=TAKEOVER_SECONDS_MAX)
        third.line.mend()
        until(lambda: fourth.asked_since(taken) > 3)
        assert third.asked_since(taken) == 0, "it stopped before its lease ended"

        # It goes in good order: the next need not wait for an end.
        assert fourth.end(signal.SIGTERM) == 0
        here.other_reader(fourth, seconds=TAKEOVER_SECONDS_MAX)
        handed += 1
        here.give()
        here.settle(seconds=TAKEOVER_SECONDS_MAX)
        assert here.handovers() == handed
        told_by(ports, here)
        signed_in_on_one_and_reading_on_the_other(ports, here)
        assert here.booked() == here.told() == here.given
        assert here.ledger.verify() == []


def ready(ports: list[int]) -> list[int]:
    return [answer(f"http://127.0.0.1:{port}/healthz")[0] for port in ports]


def signed_in_on_one_and_reading_on_the_other(ports: list[int], here: Machines) -> None:
    """Staff are sent to either web process, request by request, as a balancer without sticky sessions does."""
    here.ledger.people.add(ANNA, "viewer", PASSWORD)
    browser, turns = build_opener(HTTPCookieProcessor(CookieJar())), cycle(ports)

    def ask(path: str, **fields: str) -> str:
        body = urlencode(fields).encode() if fields else None
        with browser.open(f"http://127.0.0.1:{next(turns)}{path}", body, timeout=20) as answered:
            return str(answered.read().decode())

    def token(page: str) -> str:
        return str(re.findall(r'name="csrf_token" value="([^"]+)"', page)[0])

    ask("/staff/login", csrf_token=token(ask("/staff/login")), email=ANNA, password=PASSWORD)
    for _ in range(2):
        page = ask("/staff/health")
        assert next(lease.holder for lease in here.ledger.leases.list() if lease.source == ETH) in page
        next(turns)
    ask("/staff/logout", csrf_token=token(page))
    for _ in range(2):
        assert 'name="password"' in ask("/staff/health"), "signed out on one is signed out on both"


def told_by(ports: list[int], here: Machines) -> None:
    """Both web processes tell the same money and the same reader, and the machine's name to nobody."""
    holders = {lease.source: lease.holder for lease in here.ledger.leases.list()}
    for port in ports:
        metrics = answer(f"http://127.0.0.1:{port}/metrics")[1]
        (line,) = [one for one in metrics.splitlines() if one.startswith("support_source_lease") and ETH in one]
        assert line.endswith(" 1") and holders[ETH].rpartition(":")[2] in line
        assert holders[ETH].rpartition(":")[0] not in metrics
        assert f'"count":{len(here.given)}' in answer(f"http://127.0.0.1:{port}/totals.json")[1].replace(" ", "")
