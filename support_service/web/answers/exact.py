"""The exact sum that tells one gift apart at an address that all readers share. Pure.

A few last digits are added, at most half a percent: whoever types them in loses next to nothing, and whoever
leaves them out has given as well.
"""

from collections.abc import Callable

ADDED_AT_MOST = 200  # a part of the sum: 1/200
# So many different sums at least, where the asset has the decimals for them.
TOLD_APART = 100
DRAWS = 24


def exact_sums(units: int, random_below: Callable[[int], int]) -> tuple[int, ...]:
    """Propose sums a little above this one, short ones first; none where its last digit is too much already.

    random_below(n) gives an even draw from 0..n-1, such as secrets.randbelow.
    """
    room = units // ADDED_AT_MOST
    if room < 1:
        return ()
    step = 10 ** (len(str(max(1, room // TOLD_APART))) - 1)
    steps = [step, max(1, step // 10), max(1, step // 100)]
    return tuple(units + (random_below(room // one) + 1) * one for one in steps for _ in range(DRAWS))
