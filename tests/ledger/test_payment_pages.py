"""Payment pages by the processor's name for them: what was chosen there, and which were opened since when."""

from datetime import UTC, datetime, timedelta

from support_service.giving import Checkout, Frequency, Intent
from support_service.ledger import Ledger

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
CLOSES = datetime(2100, 1, 1, tzinfo=UTC)


def opened(ledger: Ledger, number: int, page: str, method: str = "mono", frequency: Frequency = Frequency.ONCE) -> str:
    """Open a page; return the reference of what was chosen there."""
    ref = f"{number:032x}"
    ledger.intents.open(Intent(ref, method, "UAH", 2, 100_00, frequency, "uk", NOON), nonce=f"n{number}")
    attempt = ledger.intents.start_attempt(ref)
    ledger.intents.note_checkout(ref, attempt.number, Checkout(page, "http://127.0.0.1:1/", CLOSES))
    return ref


def test_a_pages_name_leads_to_what_was_chosen_there_by_its_own_method_alone(ledger: Ledger) -> None:
    ref, other = opened(ledger, 1, "page"), opened(ledger, 2, "their page", method="toypay")
    found, theirs = ledger.intents.of_page("mono", "page"), ledger.intents.of_page("toypay", "their page")
    assert found is not None and theirs is not None
    assert (found.ref, theirs.ref) == (ref, other)
    assert ledger.intents.of_page("mono", "another") is None
    assert ledger.intents.of_page("toypay", "page") is None, "a name is its own processor's"


def test_the_first_page_of_a_try_is_the_one_that_is_kept(ledger: Ledger) -> None:
    ref = opened(ledger, 1, "first")
    ledger.intents.note_checkout(ref, 1, Checkout("second", "http://127.0.0.1:1/", CLOSES))
    assert ledger.intents.of_page("mono", "second") is None
    held = ledger.intents.attempt(ref)
    assert held is not None and held.checkout is not None and held.checkout.session == "first"


def test_pages_are_listed_once_each_from_behind_a_place_and_since_a_moment(ledger: Ledger) -> None:
    refs = [opened(ledger, number, f"page {number}") for number in range(1, 4)]
    opened(ledger, 4, "plan", frequency=Frequency.MONTHLY)
    opened(ledger, 5, "theirs", method="toypay")
    ledger.intents.open(Intent("f" * 32, "mono", "UAH", 2, 1, Frequency.ONCE, "uk", NOON), nonce="none")
    ledger.intents.start_attempt("f" * 32)
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    pages = ledger.intents.opened_pages("mono", long_ago)
    assert [page.session for page in pages] == ["page 1", "page 2", "page 3", "plan"]
    assert [page.frequency for page in pages][-1] is Frequency.MONTHLY
    assert [page.place for page in pages[:3]] == [(ref, 1) for ref in refs]
    assert [page.session for page in ledger.intents.opened_pages("mono", long_ago, pages[1].place)] == [
        "page 3",
        "plan",
    ]
    assert ledger.intents.opened_pages("mono", CLOSES - timedelta(days=1)) == ()
