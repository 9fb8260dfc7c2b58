"""Where the password of a new member of staff comes from."""

import secrets
import sys

import click

# 16 random bytes: nobody guesses it, and it can still be typed once.
RANDOM_BYTES = 16


def chosen_password(*, is_from_stdin: bool) -> tuple[str, bool]:
    """Return a password and whether it was made here: asked twice on a terminal, read, or made.

    Raises click.UsageError where standard input was to give one and is empty.
    """
    if is_from_stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise click.UsageError("--password-stdin: standard input is empty.")
        return line, False
    if sys.stdin.isatty():
        asked = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return str(asked), False
    return secrets.token_urlsafe(RANDOM_BYTES), True
