"""A payout of a processor and the bank that is asked: tied when its line comes, told when none does."""

from pathlib import Path

from support_service.giving import Direction, Identity, Kind, Observation, PaymentClaim, Report, State
from tests.fixtures.banks import IBAN, BankHouse, bank_house


def pay_out(house: BankHouse, name: str, units: int) -> None:
    """Let a processor tell that it paid out, to arrive today."""
    due = house.clock.now.replace(hour=0, minute=0)
    claim = PaymentClaim(State.CONFIRMED, Kind.PAYOUT, "toypay", "toypay", units, 2, due)
    identity = Identity("", "UAH", "", Direction.OUT, name)
    house.ledger.accept(Report("toypay", name, (Observation(identity, claim, rank=(1, 0)),)))


def reason(house: BankHouse) -> str:
    (outcome,) = house.look()
    assert outcome.is_good, outcome.reason
    return house.ledger.health()["bank:one"].reason


def test_a_payout_that_does_not_arrive_is_told_once_it_is_late_where_payouts_used_to_arrive(
    tmp_path: Path, sqlite_url: str
) -> None:
    with bank_house(tmp_path, sqlite_url, {"one": ("privatbank", IBAN)}) as house:
        (account,) = house.fakes.accounts
        pay_out(house, "po_elsewhere", 9_000)
        house.clock.advance(days=6)
        assert reason(house) == "", "nobody knows that payouts come to this account"
        pay_out(house, "po_1", 25_000)
        account.pay(25_000, "STRIPE PAYOUT")
        house.look()
        line = next(row for row in house.rows() if row["bank_class"] == "payout_stripe")
        history = house.ledger.donation(line["id"])
        assert history is not None
        assert history.donation.link is not None
        assert "po_1" in history.donation.link.reason
        pay_out(house, "po_2", 30_000)
        house.clock.advance(days=4)
        assert "po_2" not in reason(house)
        house.clock.advance(days=2)
        assert "po_2" in reason(house)
        assert "po_1" not in reason(house)
        account.pay(30_000, "STRIPE PAYOUT")
        assert "po_2" not in reason(house)
        pay_out(house, "po_3", 31_000)
        house.clock.advance(days=31)
        assert reason(house) == "", "not told for ever"
