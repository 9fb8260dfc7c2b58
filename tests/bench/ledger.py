"""`python -m tests.bench.ledger [--gifts 10000] [--url URL]`: how fast the ledger is as it grows.

Fills a ledger by accept in reports of 200 (a temporary SQLite file, or the database at URL, which is filled further
where an earlier run left it), and asks what the staff pages ask: search, home, month, lists; p50 and p95 of each. Then
every row is exported, everything is verified, and hledger and beancount read the same books. Leaves nothing of its own.

Of SQLite the time is that of the processor, so that whatever else the machine does is left out; of PostgreSQL, whose
work is done elsewhere, the clock's.
"""

import argparse
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support_service.giving import BankFacts, KeptLine, Kind, LineWork, Observation, Personal, State
from support_service.ledger import FORMATS, ForPeople, Ledger, Wanted, migrate
from support_service.money import Asset
from support_service.web.staff.articles import add_up_articles
from support_service.web.staff.month_sums import MonthSums, add_up, bars, day_starts, ends_of
from tests.fixtures.books import ACCOUNT, bank_line, valued
from tests.fixtures.reports import gift, pushed, transfer

REPORT_GIFTS, TIMES = 200, 40
AIM_MILLIS = 100
AIM_EXPORTED, AIM_VERIFIED = 20_000, 10_000
# Above it the other programs want more memory than the machine of a newsroom has.
JOURNAL_GIFTS_MAX = 100_000
KYIV, UAH = ZoneInfo("Europe/Kyiv"), Asset("UAH", 2)
FIRST_NAMES = ("Олена", "Іван", "Остап", "Марія", "Тарас", "Соломія", "Юрій", "Ганна", "Богдан", "Леся")
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
_by_clock = threading.Event()


def fill(ledger: Ledger, gifts: int) -> float:
    """Book gifts over a year; return how many a second, over the last tenth. What is booked already is left alone."""
    spent, booked = 0.0, 0
    for start in range(ledger.head().number * REPORT_GIFTS, gifts, REPORT_GIFTS):
        told: list[Observation] = []
        for number in range(start, min(start + REPORT_GIFTS, gifts)):
            told += observations(number, gifts)
        work = LineWork((pushed(f"fill:{start}", *told),), tuple(kept_lines(told)))
        began = _now()
        _take(ledger, work)
        if start >= gifts * 9 // 10:
            spent, booked = spent + _now() - began, booked + REPORT_GIFTS
    return booked / spent if spent else 0.0


def _take(ledger: Ledger, work: LineWork) -> None:
    ledger.lines.take(lambda _books: work)


def kept_lines(told: list[Observation]) -> Iterator[KeptLine]:
    """Say by what the lines of the bank among them are known again."""
    for seen in told:
        identity = seen.identity
        if identity.address == ACCOUNT:
            yield KeptLine(identity.locator, ACCOUNT, identity.ref, "{}", (identity.locator,), is_new=True)


def observations(number: int, gifts: int) -> list[Observation]:
    """Observe one gift as newsrooms get them: many of a few sums, some names often, most of them valued."""
    draw = random.Random(number)
    moment = START + YEAR * number / gifts
    who = Personal(payer=f"{draw.choice(FIRST_NAMES)} Коваль{number % 50_021}", message="дякую за вашу роботу")
    units = draw.choice((50_00, 100_00, 200_00, 500_00, 1_000_00)) + (number % 97 if number % 10 == 0 else 0)
    if number % 4 == 1:
        facts = BankFacts("gift", "rule", moment.date())
        return [bank_line(f"r{number}", units, occurred_at=moment, personal=who, bank=facts)]
    if number % 4 == 2:
        made = transfer(f"0x{number:064x}", units=10**15 * (1 + number % 90), block=None, occurred_at=moment,
                        state=State.CONFIRMED)  # fmt: skip
        return [made, valued(made, units, "41.6")]
    article = f"https://example.com/news/{draw.randrange(400)}" if number % 3 else None
    made = gift(f"pi_{number}", units=units, fee_units=30, occurred_at=moment, personal=who, article=article)
    return [made, valued(made, units, "1")]


def month(ledger: Ledger, first: date) -> MonthSums:
    """Add up a month as the home page does."""
    return add_up(first, ledger.quarters(*ends_of(first, KYIV), day_starts(first, KYIV)), zone=KYIV, currency=UAH)


def questions(ledger: Ledger, gifts: int) -> dict[str, Callable[[int], object]]:
    """What the staff pages ask; each is given the number of the try, so that not one answer is asked for again."""
    first = date(2026, 6, 1)

    def search(text: str, wanted: Wanted) -> object:
        return ledger.search.find(text, wanted, limit=51, with_people=True)

    anything = Wanted()
    return {
        "search: a sum that many gave": lambda _: search("200", anything),
        "search: a name": lambda at: search(f"коваль{at * 37 % 50_021}", anything),
        "search: a first name that many have": lambda _: search("олена", anything),
        "search: first and second name": lambda at: search(f"олена коваль{at * 41 % 50_021}", anything),
        "search: two words in every message": lambda _: search("дякую роботу", anything),
        "search: a transaction": lambda at: search(f"0x{(at * 4 + 2) % gifts:064x}", anything),
        "search: words of all, and a rare state": lambda _: search("дякую", Wanted(state=State.REFUNDED)),
        "search: nothing fits": lambda at: search(f"немає{at}", anything),
        "list: first page": lambda _: ledger.donations(limit=51),
        "list: a deep page": lambda at: ledger.donations(before=gifts // 2 + at, limit=51),
        "list: a rare state": lambda _: ledger.donations(Wanted(state=State.DISPUTED), limit=51),
        "list: a rare kind": lambda _: ledger.donations(Wanted(kind=Kind.REVIEW), limit=51),
        "list: one method": lambda _: ledger.donations(Wanted(method="eth"), limit=51),
        "home: the month by day and way": lambda _: bars(month(ledger, first)),
        "home: articles": lambda _: add_up_articles(
            month(ledger, first), ledger.overviews.article_sums(*ends_of(first, KYIV)), (), {}, views={}
        ),
        "month: rows for the books": lambda _: ledger.months.rows(*ends_of(first, KYIV)),
        "month: against processors, bank and chains": lambda _: ledger.months.three_way(*ends_of(first, KYIV)),
    }


def main() -> int:
    """Fill, ask, print; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gifts", type=int, default=10_000)
    parser.add_argument("--url", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder)}/ledger.db"
        migrate(url)
        ledger = Ledger(url)
        if not url.startswith("sqlite"):
            _by_clock.set()
        booked = fill(ledger, asked.gifts)
        told = f"{booked:,.0f} gifts a second" if booked else "booked before"
        print(f"accept: {told} at {asked.gifts:,}", flush=True)
        missed = [*_asked(ledger, asked.gifts), *_exported(ledger, asked.gifts), *_verified(ledger, asked.gifts)]
        if asked.gifts <= JOURNAL_GIFTS_MAX:
            _journals(ledger, Path(folder))
        ledger.dispose()
    print(f"missed: {', '.join(missed) or 'nothing'}")
    return int(bool(missed))


def _asked(ledger: Ledger, gifts: int) -> Iterator[str]:
    """Ask all that pages ask; name what took longer than the aim."""
    for name, ask in questions(ledger, gifts).items():
        took = sorted(_millis(ask, at) for at in range(TIMES))
        middle, high = took[TIMES // 2], took[TIMES * 95 // 100]
        print(f"{name:45} p50 {middle:7.1f} ms   p95 {high:7.1f} ms", flush=True)
        if high > AIM_MILLIS:
            yield name


def _exported(ledger: Ledger, gifts: int) -> Iterator[str]:
    """Write every row in each format; name the machines' formats that were slower than the aim."""
    for form in FORMATS:
        before, began = _peak_mib(), _now()
        size = sum(len(part) for part in form.write(ledger.exported(), ForPeople()))
        rows = gifts / (_now() - began)
        grown = _peak_mib() - before
        print(
            f"export {form.name:38} {rows:9,.0f} rows/s   {size / 2**20:7.1f} MiB, memory +{grown:.0f} MiB", flush=True
        )
        if form.name in {"csv", "jsonl"} and rows < AIM_EXPORTED:
            yield f"export {form.name}"


def _verified(ledger: Ledger, gifts: int) -> Iterator[str]:
    """Verify all, and from the newest report on."""
    began = _now()
    problems = ledger.verify()
    assert problems == [], problems[0]
    rate = gifts / (_now() - began)
    began = _now()
    assert ledger.verify(since=ledger.head()) == []
    print(f"verify: {rate:,.0f} gifts/s; from the newest report: {_now() - began:.1f} s", flush=True)
    if rate < AIM_VERIFIED:
        yield "verify"


def _journals(ledger: Ledger, folder: Path) -> None:
    """Let hledger and beancount read the same books, as far as they are here."""
    bean = str(Path(sys.executable).with_name("bean-check"))
    for name, command in (("hledger", ["hledger", "balance", "-f"]), ("beancount", [bean])):
        form = next(form for form in FORMATS if form.name == name)
        file = folder / f"books.{form.suffix}"
        with file.open("wb") as journal:
            for part in form.write(ledger.exported(), ForPeople()):
                journal.write(part)
        if shutil.which(command[0]) is None:
            print(f"{name}: not here")
            continue
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, file], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{Path(command[0]).name} reads the same books in {seconds:.1f} s", flush=True)


def _now() -> float:
    """Tell the seconds by which all is measured."""
    return time.perf_counter() if _by_clock.is_set() else time.process_time()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _millis(ask: Callable[[int], object], at: int) -> float:
    began = _now()
    ask(at)
    return 1_000 * (_now() - began)


if __name__ == "__main__":
    raise SystemExit(main())
