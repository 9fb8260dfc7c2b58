"""How a command line tells what went wrong: one line on standard error, what is wrong and what to do."""

import logging
import sys
from types import TracebackType
from typing import Any

import click

from support_service.ledger import LedgerError
from support_service.ledger.errors import LedgerOutdated
from support_service.log import without_secrets
from support_service.rails.source import SourceError
from support_service.settings import SettingsError, is_child_process
from support_service.supervisor import PERMANENT_CODE, NoSuchHost, Permanent, ProcessError

log = logging.getLogger(__name__)

# What may go wrong without being our mistake: told in one line, exit 1.
TOLD = (LedgerError, SourceError, ProcessError, OSError)

# Of these, what trying again cannot mend. A port in use is not among them: the one before us may still be ending.
PERMANENT = (LedgerOutdated, NoSuchHost, Permanent)


class NotBuilt(click.UsageError):
    """The contract has it; this version does not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not built yet")


class CommandForPeople(click.Command):
    """A command that never ends in a traceback for people; exit 1 for errors, 2 for a wrong command line."""

    program = "support-service"

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command line; always ends the process."""
        try:
            code = super().main(*args, **{**extra, "prog_name": self.program, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            _end(error.format_message(), error.exit_code)
        except NotBuilt as error:
            _end(f"{self.program}: {error.format_message()}", error.exit_code)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else self.program
            _end(f"{self.program}: {_one_line(error.format_message())} See: {where} --help", error.exit_code)
        except click.ClickException as error:
            _end(f"{self.program}: {error.format_message()}", error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            _end(f"{self.program}: stopped", 1)
        except SettingsError as error:
            _end("\n".join(error.lines), _permanent_code())
        except BrokenPipeError:
            # Whoever read our output has enough (`... | head`). Python's own flush at exit would fail, too.
            sys.stdout = None
            sys.exit(1)
        except TOLD as error:
            log.debug("command_failed", exc_info=error)
            code = _permanent_code() if isinstance(error, PERMANENT) else 1
            _end(f"{self.program}: {without_secrets(_told(error))}", code)
        sys.exit(code if isinstance(code, int) else 0)


def tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell a mistake of ours in one line; the traceback goes to the log with --debug. For sys.excepthook."""
    log.debug("command_broke", exc_info=(kind, error, trace))
    text = without_secrets(str(error))[:300]
    click.echo(f"{CommandForPeople.program}: broke ({kind.__name__}: {text}); --debug tells where", err=True)


def _permanent_code() -> int:
    """A supervisor of ours is told that trying again helps nobody; people and their scripts get 1."""
    return PERMANENT_CODE if is_child_process() else 1


def _end(text: str, code: int) -> None:
    click.echo(text, err=True)
    sys.exit(code)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())
