"""Articles are summed by the database; what counts in part is worth its part."""

from datetime import timedelta

from support_service.ledger import Ledger
from tests.fixtures.books import valued
from tests.fixtures.reports import NOON, gift, pushed, refund

HERE, THERE = "https://example.com/a", "https://example.com/b"


def test_gifts_are_summed_by_article_and_currency_of_value(ledger: Ledger) -> None:
    whole = [gift(f"pi_{number}", article=HERE) for number in (1, 2)]
    partly = gift("pi_3", units=9_00, article=HERE, rank=(1, 0))
    dollars, unvalued = gift("pi_4", article=HERE), gift("pi_5", article=THERE)
    gone = gift("pi_6", article=THERE, rank=(1, 0))
    ledger.accept(pushed("gifts", *whole, partly, dollars, unvalued, gone, gift("pi_7")))
    ledger.accept(pushed("refunds", refund("pi_3", units=6_00, rank=(2, 0)), refund("pi_6", rank=(2, 0))))
    values = [*(valued(one, 400_00, "40") for one in whole), valued(partly, 100_01, "11"), valued(gone, 5, "1")]
    ledger.accept(pushed("values", *values, valued(dollars, 11_00, "1.1", currency="USD"), source="rates"))
    told = ledger.article_sums(NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert [(one.article, one.currency, one.gifts, one.worth_units) for one in told] == [
        (HERE, "UAH", 3, 800_00 + 100_01 // 3),
        (HERE, "USD", 1, 11_00),
        (THERE, "", 1, 0),
    ]
    assert ledger.article_sums(NOON + timedelta(days=1), NOON + timedelta(days=2)) == ()
