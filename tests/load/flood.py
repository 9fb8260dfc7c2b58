"""`make flood`: card testers by the thousand at the running server, from many addresses, and readers among them.

    python -m tests.load.flood [--attempts 10000]

Attempts come over real sockets from 50 addresses of this machine's loopback in 25 networks (/24). Some
press at once, some bide their time, some invent or age their token, some answer the question that they
are asked. Payment pages opened for them must stay under the cap; and while it lasts, each of 20 readers from
networks that are quiet must reach the payment page. Ends with 1 if either fails.
"""

import argparse
import http.client
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from support_service.demo.stripe import StripeFake
from support_service.web.card.guard import LIMITS
from tests.fixtures.database import prepare
from tests.fixtures.staff import forms
from tests.load.serving import WebServer

NETS, HOSTS, DONORS = 25, (1, 2), 20
CAP = LIMITS.all_max + NETS
THREADS, ANSWER_SECONDS_MAX = 12, 60
# A little more than the guard asks of a person.
PATIENCE = LIMITS.dwell_slowed.total_seconds() + 1.5
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
WAVE = 1_000
PATIENT = ("patient", "answers")
MANNERS = (*PATIENT, "at once", "invented token", "aged token")


@dataclass
class Reader:
    """Somebody at one address, who opens the page and presses the button."""

    address: str
    port: int
    fields: dict[str, str] = field(default_factory=dict)
    is_ready_at: float = 0.0

    def look(self) -> None:
        """Open the page that says the sum once more."""
        self._keep(self._ask("GET", "/card?" + urlencode({"amount": "200", "currency": "UAH", "frequency": "once"})))

    def press(self) -> int:
        """Press the button; an answer with a new form is kept."""
        return self._keep(self._ask("POST", "/card?lang=en", urlencode(self.fields)))

    def answer(self) -> None:
        """Answer the small question if there is one."""
        if "answer" in self.fields:
            _, _, first, second, _ = self.fields["token"].split("-")
            self.fields["answer"] = str(int(first) + int(second))

    def _keep(self, told: tuple[int, str]) -> int:
        status, text = told
        found = [form.fields for form in forms(text) if form.method == "post" and "token" in form.fields]
        if found:
            (self.fields,), self.is_ready_at = found, time.monotonic() + PATIENCE
        return status

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        here = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX, source_address=(self.address, 0)
        )
        try:
            here.request(method, path, body, FORM_TYPE if body else {})
            answer = here.getresponse()
            return answer.status, answer.read().decode()
        finally:
            here.close()


@dataclass
class Ending:
    """What came of it."""

    attempts: int
    statuses: Counter[str]
    donors: list[int]
    sessions: int
    seconds: float

    @property
    def problems(self) -> list[str]:
        """Say what was not kept to."""
        found = []
        if self.sessions > CAP + DONORS:
            found.append(f"{self.sessions} payment pages were opened; at most {CAP} and {DONORS} for readers")
        if self.donors != [303] * DONORS:
            found.append(f"readers were answered {self.donors}")
        return found

    def __str__(self) -> str:
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.statuses.items()))
        rate = self.attempts / self.seconds
        return (
            f"{self.attempts} attempts in {self.seconds:.0f} s ({rate:.0f}/s): {told}\n"
            f"payment pages {self.sessions}, cap {CAP} and {DONORS} readers; readers {Counter(self.donors)}\n"
            + "\n".join(self.problems or ["the cap held and every reader gave"])
        )


def play(attempts: int, folder: Path) -> Ending:
    """Flood a server of its own on SQLite, let readers give meanwhile, and count."""
    url = f"sqlite:///{folder}/flood.db"
    prepare(url)
    with StripeFake() as fake:
        server = WebServer(folder, url, fake.settings(folder))
        try:
            server.start()
            return _flood(attempts, server.port, fake)
        finally:
            server.end()


def _flood(attempts: int, port: int, fake: StripeFake) -> Ending:
    started, statuses, donors = time.monotonic(), Counter[str](), list[int]()
    addresses = [f"127.1.{net}.{host}" for net in range(NETS) for host in HOSTS]
    attackers = [Reader(addresses[number % len(addresses)], port) for number in range(attempts)]
    with ThreadPoolExecutor(THREADS) as many, ThreadPoolExecutor(DONORS) as few:
        giving, wave = list[Future[int]](), min(attempts // 2, WAVE)
        for first in range(0, attempts, wave):
            numbered = list(enumerate(attackers))[first : first + wave]
            statuses.update(told for told in many.map(_begin, numbered) if told)
            statuses.update(told for told in many.map(_end, numbered) if told)
            if not giving:
                # The first wave has used up what is open to all: the guard is at its tightest.
                giving = [few.submit(_give, Reader(f"127.2.{net}.9", port)) for net in range(DONORS)]
        donors = [one.result() for one in giving]
    pages = len(fake.account.all("checkout.session"))
    return Ending(attempts, statuses, donors, pages, time.monotonic() - started)


def _manner(number: int) -> str:
    """Choose every manner at every address."""
    return MANNERS[(number // (NETS * len(HOSTS))) % len(MANNERS)]


def _begin(numbered: tuple[int, Reader]) -> str:
    """Open the page; whoever has no patience presses at once. Say what came of it; "" where nothing did yet."""
    number, attacker = numbered
    manner = _manner(number)
    attacker.look()
    if not attacker.fields:
        return f"{manner}: no form"
    if manner in PATIENT:
        return ""
    nonce, seconds, *rest = attacker.fields["token"].split("-")
    if manner == "invented token":
        attacker.fields["token"] = "-".join(("0" * 32, seconds, *rest))
    if manner == "aged token":
        attacker.fields["token"] = "-".join((nonce, f"{int(seconds, 16) - 60:08x}", *rest))
    return f"{manner}: {attacker.press()}"


def _end(numbered: tuple[int, Reader]) -> str:
    """Press after the time that a person would take."""
    number, attacker = numbered
    manner = _manner(number)
    if manner not in PATIENT or not attacker.fields:
        return ""
    _await(attacker)
    if manner == "answers":
        attacker.answer()
    return f"{manner}: {attacker.press()}"


def _give(reader: Reader) -> int:
    """Give as a person does, who reads, answers what is asked, and presses again where a new form came."""
    reader.look()
    status = 0
    for _ in range(2):
        reader.answer()
        _await(reader)
        status = reader.press()
        if status == 303:
            break
    return status


def _await(reader: Reader) -> None:
    threading.Event().wait(max(0.0, reader.is_ready_at - time.monotonic()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Flood once and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.flood", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attempts", type=int, default=10_000)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="flood-") as name:
        ending = play(chosen.attempts, Path(name))
    print(ending)
    return 1 if ending.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
