"""What a bank says that its account held: the balances of a statement that closes, by the days that they are of."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from support_service.giving import HeldBalance
from support_service.money import Asset
from support_service.rails.bank.statements.statement import BalanceProof, BankStatement
from support_service.rails.books import BalanceLedger


def tell_balances(statements: Sequence[BankStatement], ledger: BalanceLedger) -> None:
    """Keep the balances of a file's statements."""
    for statement in statements:
        told = tuple(_balances(statement))
        if told:
            ledger.tell(f"bank:{statement.account}", told)


def held_on(account: str, asset: Asset, units: int, day: date) -> HeldBalance:
    """Say what an account held on the evening of a day."""
    noon = datetime.combine(day, time(12), UTC)
    return HeldBalance("", account, asset.code, asset.exponent, units, day.toordinal(), noon)


def _balances(statement: BankStatement) -> Iterator[HeldBalance]:
    """Tell the evening before its first line and that of its last; a page that ends within a day tells of none."""
    if (
        statement.proof is BalanceProof.ABSENT
        or not statement.is_whole
        or not (statement.first_day and statement.last_day)
    ):
        return
    assert statement.opening_units is not None and statement.closing_units is not None
    yield held_on(statement.account, statement.asset, statement.opening_units, statement.first_day - timedelta(days=1))
    yield held_on(statement.account, statement.asset, statement.closing_units, statement.last_day)
