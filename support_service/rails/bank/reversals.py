"""Find what a reversal takes back: exactly one line, or a person must say. Pure."""

from collections.abc import Callable, Sequence

from support_service.rails.bank.folding import squeeze
from support_service.rails.bank.line import Line


def find_original(reversal: Line, earlier: Sequence[Line]) -> Line | None:
    """Find the one line of the same account with the opposite sum, of that day or before.

    Where several fit, end-to-end id, the other side's account, its name and a common text narrow them
    down, in this order; what both lines tell must agree.
    """
    fitting = [line for line in earlier if _fits(reversal, line)]
    ways: tuple[Callable[[Line], str], ...] = (
        lambda line: line.end_to_end,
        lambda line: line.counterparty.account,
        lambda line: squeeze(line.counterparty.name),
    )
    for way in ways:
        mine = way(reversal)
        fitting = [line for line in fitting if not mine or not way(line) or way(line) == mine]
        alike = [line for line in fitting if mine and way(line) == mine]
        if len(alike) == 1:
            return alike[0]
        fitting = alike or fitting
    named = [line for line in fitting if squeeze(line.purpose) and squeeze(line.purpose) in squeeze(reversal.purpose)]
    fitting = named or fitting
    return fitting[0] if len(fitting) == 1 else None


def _fits(reversal: Line, line: Line) -> bool:
    is_before = line.day is None or reversal.day is None or line.day <= reversal.day
    is_opposite = line.money.asset == reversal.money.asset and line.money.units == -reversal.money.units
    return line.account == reversal.account and is_opposite and is_before and line.books_money and not line.is_reversal
