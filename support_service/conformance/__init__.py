"""What the conformance commands share: checks that are taken in turn, and told each by its name.

A check returns what it saw as expected; its first line of documentation says what that is.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

B = TypeVar("B")


class Differs(Exception):
    """The node answers otherwise than its code and documentation say, and the watcher can live with it."""


class Unknown(Exception):
    """It could not be seen either way here; the text says why."""


class Fails(Exception):
    """The watcher could not work with this node, or not safely."""


def run(checks: Sequence[Callable[[B], str]], bench: B, *, failures: tuple[type[Exception], ...]) -> int:
    """Take every check in turn and tell each; `failures` count as failed, too. Returns how many failed."""
    troubles: tuple[type[Exception], ...] = (Fails, *failures)
    failed = 0
    for check in checks:
        what = (check.__doc__ or "").splitlines()[0]
        try:
            verdict = f"as expected: {check(bench)}"
        except Differs as error:
            verdict = f"differs: {error}"
        except Unknown as error:
            verdict = f"unknown: {error}"
        except troubles as error:
            failed += 1
            verdict = f"FAILS: {error}"
        click.echo(f"{check.__name__:22} {verdict}\n{'':22}   ({what})")
    return failed
