"""`python -m tests.bench.ledger [--gifts 10000] [--url URL]`: how fast staff's questions are as the ledger grows.

Fills a ledger by accept in reports of 200 (a temporary SQLite file, or the empty database at URL), and asks what the
staff pages ask: search, home, month, lists. Prints p50 and p95 of each. Leaves nothing of its own behind.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from support_service.giving import Kind, Observation, Personal, State
from support_service.ledger import Ledger, Wanted, migrate
from support_service.money import Asset
from support_service.web.staff.articles import add_up_articles
from support_service.web.staff.month_sums import MonthSums, add_up, bars, ends_of
from tests.fixtures.books import bank_line, valued
from tests.fixtures.reports import gift, pushed, transfer

REPORT_GIFTS, TIMES = 200, 40
AIM_MILLIS = 100
KYIV, UAH = ZoneInfo("Europe/Kyiv"), Asset("UAH", 2)
FIRST_NAMES = ("Олена", "Іван", "Остап", "Марія", "Тарас", "Соломія", "Юрій", "Ганна", "Богдан", "Леся")
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def fill(ledger: Ledger, gifts: int) -> float:
    """Book gifts over a year; return how many a second, over the last tenth."""
    draw, began, counted = random.Random(7), 0.0, 0
    for start in range(0, gifts, REPORT_GIFTS):
        told: list[Observation] = []
        for number in range(start, min(start + REPORT_GIFTS, gifts)):
            told += observations(number, gifts, draw)
        if start >= gifts * 9 // 10 and not began:
            began, counted = time.perf_counter(), start
        ledger.accept(pushed(f"fill:{start}", *told))
    return (gifts - counted) / (time.perf_counter() - began)


def observations(number: int, gifts: int, draw: random.Random) -> list[Observation]:
    """Observe one gift as newsrooms get them: many of a few sums, some names often, most of them valued."""
    moment = START + YEAR * number / gifts
    who = Personal(payer=f"{draw.choice(FIRST_NAMES)} Коваль{number % 50_021}", message="дякую за вашу роботу")
    units = draw.choice((50_00, 100_00, 200_00, 500_00, 1_000_00)) + (number % 97 if number % 10 == 0 else 0)
    if number % 4 == 1:
        return [bank_line(f"r{number}", units, occurred_at=moment, personal=who)]
    if number % 4 == 2:
        made = transfer(f"0x{number:064x}", units=10**15 * (1 + number % 90), block=None, occurred_at=moment,
                        state=State.CONFIRMED)  # fmt: skip
        return [made, valued(made, units, "41.6")]
    article = f"https://example.com/news/{draw.randrange(400)}" if number % 3 else None
    made = gift(f"pi_{number}", units=units, fee_units=30, occurred_at=moment, personal=who, article=article)
    return [made, valued(made, units, "1")]


def month(ledger: Ledger, first: date) -> MonthSums:
    """Add up a month as the home page does."""
    return add_up(first, ledger.quarters(*ends_of(first, KYIV)), zone=KYIV, currency=UAH)


def questions(ledger: Ledger, gifts: int) -> dict[str, Callable[[int], object]]:
    """What the staff pages ask; each is given the number of the try, so that not one answer is asked for again."""
    first = date(2026, 6, 1)

    def search(text: str, wanted: Wanted) -> object:
        return ledger.search(text, wanted, limit=51, with_people=True)

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
            month(ledger, first), ledger.article_gifts(*ends_of(first, KYIV)), (), {}
        ),
        "month: rows for the books": lambda _: ledger.month_rows(*ends_of(first, KYIV)),
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
        print(f"accept: {fill(ledger, asked.gifts):,.0f} gifts a second at {asked.gifts:,}", flush=True)
        missed = []
        for name, ask in questions(ledger, asked.gifts).items():
            took = sorted(_millis(ask, at) for at in range(TIMES))
            middle, high = took[TIMES // 2], took[TIMES * 95 // 100]
            print(f"{name:45} p50 {middle:7.1f} ms   p95 {high:7.1f} ms", flush=True)
            missed += [name] if high > AIM_MILLIS else []
        ledger.dispose()
    print(f"above {AIM_MILLIS} ms: {', '.join(missed) or 'nothing'}")
    return int(bool(missed))


def _millis(ask: Callable[[int], object], at: int) -> float:
    began = time.perf_counter()
    ask(at)
    return 1_000 * (time.perf_counter() - began)


if __name__ == "__main__":
    raise SystemExit(main())
