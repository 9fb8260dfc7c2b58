"""The commands. Each reads the settings, hands plain values to a part of the house, and prints for people."""

import logging
import sys
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from support_service import __version__
from support_service.assembly import Assembly, assemble
from support_service.commands import backup as backup_command
from support_service.commands import check as check_command
from support_service.commands import deploy as deploy_command
from support_service.commands import donors as donors_command
from support_service.commands import freezes as freezes_command
from support_service.commands import import_ as import_command
from support_service.commands import notify as notify_command
from support_service.commands import people as people_command
from support_service.commands import rescan as rescan_command
from support_service.commands import run as run_command
from support_service.commands import verify_online as verify_online_command
from support_service.commands.errors import CommandForPeople, tell_bug
from support_service.commands.output import write_chunks
from support_service.commands.typed import HeadText, MomentText
from support_service.giving import State, utc_now
from support_service.ledger import FORMATS, Head, Ledger, Wanted, migrate
from support_service.ledger.backup import WantedBackup
from support_service.log import configure_logging
from support_service.rails import RAILS
from support_service.rails.options import Mistake
from support_service.settings import SettingsError, settings_path
from support_service.supervisor import listening_address, reserve_port
from support_service.web.spoken import speech

FORMS = {one.name: one for one in FORMATS}
ROLES = ("viewer", "bookkeeper", "admin")
LAYOUTS = ("block", "bar", "button", "compact")
ONE_FILE = click.Path(path_type=Path, dir_okay=False)

_HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0: any free one."
)


@dataclass
class CommandCall:
    """What every command gets: the settings file, read when a command first asks for it."""

    file: Path

    @cached_property
    def assembly(self) -> Assembly:
        """Checked settings and methods; raises SettingsError with all mistakes."""
        return assemble(self.file)

    @cached_property
    def database_url(self) -> str:
        """Where the ledger lies."""
        return self.assembly.settings.database_url

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; it connects when it is asked something."""
        return Ledger(self.database_url, clock=utc_now)

    def close(self) -> None:
        """Let go of the database, if it was used."""
        if "ledger" in vars(self):
            self.ledger.dispose()


class Commands(CommandForPeople, click.Group):
    """Our commands; what goes wrong in one is told for people."""


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, package_name="support-service")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [$SUPPORT_CONFIG, config/support.toml].")
@click.option("--debug", is_flag=True, help="Log more, and the traceback of an error.")
@click.pass_context
def commands(ctx: click.Context, config: Path | None, *, debug: bool) -> None:
    """Reader support for news publishers: one page to give on, one ledger for every gift."""
    configure_logging(level=logging.DEBUG if debug else logging.INFO)
    call = ctx.obj = CommandCall(settings_path(config))
    ctx.call_on_close(call.close)


@commands.command()
@_HOST
@_PORT
@click.pass_obj
def run(call: CommandCall, host: str, port: int) -> None:
    """Serve the page and watch the chains: everything, on one machine."""
    address = listening_address(host)
    run_command.run_service(call.assembly, address, reserve_port(address, port), say=click.echo)


@commands.command()
@_HOST
@_PORT
@click.pass_obj
def web(call: CommandCall, host: str, port: int) -> None:
    """Serve the page, the widget and the staff pages."""
    import_module("support_service.server").serve_web(call.assembly, listening_address(host), port)


@commands.command()
@click.option("--once", is_flag=True, help="Read every source up to its present head, then end.")
@click.pass_obj
def watch(call: CommandCall, *, once: bool) -> int:
    """Watch the chains and book what arrives."""
    return run_command.watch(call.assembly, call.ledger, once=once, say=click.echo)


@commands.command()
@click.option("--online", is_flag=True, help="Also ask nodes for their chain, others whether we are let in.")
@click.option("--deploy", is_flag=True, help="Also refuse what is unsafe in production.")
@click.pass_obj
def check(call: CommandCall, *, online: bool, deploy: bool) -> int:
    """Check every setting, address and QR code; print one line per method."""
    told = (check_command.method_lines, check_command.channel_lines, check_command.sign_in_lines)
    for line in (line for lines in told for line in lines(call.assembly)):
        click.echo(line)
    for line in check_command.warning_lines(call.assembly):
        click.echo(line, err=True)
    answers = [*check_command.file_mistakes(call.assembly), *(check_command.ask_nodes(call.assembly) if online else ())]
    mistakes = [answer for answer in answers if isinstance(answer, Mistake)]
    mistakes += deploy_command.deploy_mistakes(call.assembly) if deploy else []
    for said in (answer for answer in answers if isinstance(answer, str)):
        click.echo(said)
    if mistakes:
        raise SettingsError(call.file, mistakes)
    return 0


@commands.command(name="migrate")
@click.pass_obj
def migrate_database(call: CommandCall) -> None:
    """Create the database, or bring it to this version."""
    applied = migrate(call.database_url)
    click.echo(f"the database is at this version; applied: {', '.join(applied) or 'nothing, it was before'}")


@commands.command()
@click.option("--format", "form", type=click.Choice(list(FORMS)), required=True, help="How to write it.")
@click.option("--out", type=ONE_FILE, help="File to write; standard output if absent.")
@click.option("--since", type=MomentText(), help="From this moment on, by occurred_at, UTC.")
@click.option("--until", type=MomentText(), help="Up to this moment, which itself is left out.")
@click.option("--rail", type=click.Choice(list(RAILS)), help="Of one rail alone.")
@click.option("--state", type=click.Choice([state.value for state in State]), help="In one state alone.")
@click.pass_obj
def export(call: CommandCall, /, form: str, out: Path | None, **wanted: Any) -> None:
    """Write every gift, oldest first."""
    state = wanted.pop("state")
    rows = call.ledger.exported(Wanted(**wanted, state=State(state) if state else None))
    say = speech(call.assembly.settings.publisher.languages[0])
    write_chunks(FORMS[form].write(rows, call.assembly.for_people(say)), out)


@commands.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(import_command.STATEMENTS), required=True, help="What the file is.")
@click.option("--account", default="", metavar="IBAN", help="Our account, where the file does not name it.")
@click.option("--profile", default="", metavar="NAME", help="Which columns a CSV has: [bank.profiles.NAME].")
@click.option("--dry-run", is_flag=True, help="Only tell what would be new; write nothing.")
@click.pass_obj
def import_statement(call: CommandCall, /, file: Path, form: str, **wanted: Any) -> int:
    """Book a bank statement: what is known already stays, so a file can be brought twice."""
    asked = import_command.ImportCommand(file, form, wanted["account"], wanted["profile"], is_dry=wanted["dry_run"])
    return import_command.import_file(call.assembly, call.ledger, asked)


@commands.command()
@click.option("--online", is_flag=True, help="Also hold what it says against the chains, card processors and banks.")
@click.option("--since", type=HeadText(), help="Only what came after a report that was verified before.")
@click.pass_obj
def verify(call: CommandCall, *, online: bool, since: Head | None) -> int:
    """Check every invariant of the ledger, from the database alone or against those who hold the money."""
    problems = call.ledger.verify(since=since)
    if online:
        problems += verify_online_command.compare(call.assembly, call.ledger, say=click.echo)
    for problem in problems:
        click.echo(problem, err=True)
    click.echo(f"{len(problems)} problems" if problems else "the ledger is sound")
    return 1 if problems else 0


@commands.command()
@click.argument("file", type=ONE_FILE)
@click.pass_obj
def backup(call: CommandCall, file: Path) -> None:
    """Write the whole ledger into one file, while money comes in.

    Settings and files with secrets are not in it.
    """
    backup_command.write(call.assembly, file, say=click.echo)


@commands.command()
@click.argument("file", type=ONE_FILE)
@click.option("--since", type=MomentText(), help="Refuse a backup that was made before.")
@click.option("--holds", type=HeadText(), metavar="NUMBER:HASH", help="Refuse a backup without this report.")
@click.option("--other-publisher", is_flag=True, help="Also restore the ledger of another publisher's name.")
@click.pass_obj
def restore(
    call: CommandCall, file: Path, *, since: datetime | None, holds: Head | None, other_publisher: bool
) -> None:
    """Put a backup in the place of an empty database, proved; stop the service first.

    What is damaged, no backup, too old, or would lose something is refused.
    """
    publisher = "" if other_publisher else call.assembly.settings.publisher.name
    backup_command.read(call.assembly, file, WantedBackup(publisher, since, holds), say=click.echo)


@commands.command()
@click.argument("method")
@click.option("--from-block", type=click.IntRange(0), required=True, metavar="N", help="The first block to read again.")
@click.pass_obj
def rescan(call: CommandCall, method: str, from_block: int) -> None:
    """Read a method's blocks again: add what was missed, replace what was wrong, leave what is true."""
    if method not in {known.key for known in call.assembly.methods}:
        raise click.UsageError(f"there is no method {method!r} in {call.file}.")
    rescan_command.rescan(call.assembly, call.ledger, method, from_block, say=click.echo)


@commands.command()
@click.pass_obj
def freezes(call: CommandCall) -> None:
    """Tell which networks are frozen, and why: a reorg below finality, or a node that lies."""
    for line in list(freezes_command.freeze_lines(call.ledger)) or ["nothing is frozen"]:
        click.echo(line)


@commands.command()
@click.argument("network")
@click.option("--note", required=True, help="What you found and did; kept with the staff report.")
@click.pass_obj
def unfreeze(call: CommandCall, network: str, note: str) -> None:
    """Go on with a frozen network, after you have looked."""
    click.echo(freezes_command.unfreeze(call.assembly, call.ledger, network, note))


@commands.command()
@click.argument("turn", type=click.Choice(["on", "off"]))
@click.option("--note", default="switched by command", show_default=True, help="Why; staff read it.")
@click.pass_obj
def cards(call: CommandCall, turn: str, note: str) -> None:
    """Switch card payments on or off; every other way to give stays as it is."""
    for line in freezes_command.switch_cards(call.assembly, call.ledger, is_on=turn == "on", note=note):
        click.echo(line)


@commands.command(name="snippet")
@click.option("--lang", metavar="L", help="Language of the block; the page's first if absent.")
@click.option("--layout", type=click.Choice(LAYOUTS), default="block", show_default=True, help="Its shape.")
@click.option("--amp", "is_amp", is_flag=True, help="For AMP pages, without the script's element.")
@click.option("--wordpress", type=ONE_FILE, metavar="FILE.zip", help="Write a plugin for WordPress instead.")
@click.pass_obj
def print_snippet(call: CommandCall, lang: str | None, layout: str, wordpress: Path | None, *, is_amp: bool) -> None:
    """Print the support block as HTML for articles: it works without script, and the widget's script upgrades it."""
    # Late: no other command needs the pages.
    written = import_module("support_service.commands.snippet")
    if wordpress is not None:
        click.echo(written.write_plugin(call.assembly, wordpress))
        return
    try:
        click.echo(written.snippet_text(call.assembly, lang, layout, is_amp=is_amp), nl=False)
    except ValueError as error:
        raise click.UsageError(f"--lang: {error}.") from error


commands.add_command(donors_command.donor)
_FROM_STDIN = click.option("--password-stdin", is_flag=True, help="Read the key's password from standard input.")
_KNOWN_KEY = click.option("--public-key", default="", metavar="KEY", help="Who may sign [manifest.public_key].")
_KNOWN_FILE = click.option("--manifest", type=click.Path(path_type=Path), help="The signed file [manifest.file].")


def _signing() -> Any:
    return import_module("support_service.commands.manifest")  # late: a tenth of the start of all other commands


@commands.group()
def manifest() -> None:
    """Addresses that nobody swaps unnoticed: signed away from the server."""


@manifest.command()
@click.argument("file", type=ONE_FILE, default=Path("support-methods.key"))
@_FROM_STDIN
def keygen(file: Path, *, password_stdin: bool) -> None:
    """Make a key pair, FILE and FILE.pub, where you sign; never on the server."""
    _signing().keygen(file, password_from_stdin=password_stdin, say=click.echo)


@manifest.command()
@click.option(
    "--key", type=ONE_FILE, default=Path("support-methods.key"), show_default=True, help="The secret key's file."
)
@click.option("--out", type=ONE_FILE, help="The manifest to write [manifest.file].")
@_FROM_STDIN
@click.pass_obj
def sign(call: CommandCall, key: Path, out: Path | None, *, password_stdin: bool) -> None:
    """Sign every method as the settings have it now; look at what is printed."""
    _signing().sign_methods(call.assembly, key, out, password_from_stdin=password_stdin, say=click.echo)


@manifest.command(name="check")
@_KNOWN_KEY
@_KNOWN_FILE
@click.pass_obj
def check_manifest(call: CommandCall, public_key: str, manifest: Path | None) -> int:
    """Hold the settings against the signed manifest."""
    known = _signing().Known(public_key, manifest)
    return int(_signing().tell(_signing().check_methods(call.assembly, known, say=click.echo)))


@commands.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@_KNOWN_KEY
@_KNOWN_FILE
@click.pass_obj
def attest(call: CommandCall, urls: tuple[str, ...], public_key: str, manifest: Path | None) -> int:
    """Fetch live pages, read every address, IBAN, card number and QR code, and name what is not signed."""
    known = _signing().Known(public_key, manifest)
    return int(_signing().tell(_signing().attest_pages(urls, known, lambda: call.assembly, say=click.echo)))


@commands.group()
def notify() -> None:
    """Who is told what happens."""


@notify.command(name="test")
@click.pass_obj
def notify_test(call: CommandCall) -> int:
    """Send one message to every channel of the settings, and name those that did not take it."""
    return notify_command.send_test(call.assembly, say=click.echo)


@commands.group()
def staff() -> None:
    """Who may see the books."""


@staff.command()
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True, help="Look; book and export; everything.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input: its first line.")
@click.pass_obj
def add(call: CommandCall, email: str, role: str, *, password_stdin: bool) -> None:
    """Let a person in.

    On a terminal the password is asked for; elsewhere one is made and printed once.
    """
    publisher = call.assembly.settings.publisher
    people_command.add(call.ledger, publisher, email, role, is_from_stdin=password_stdin, say=click.echo)


@staff.command()
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True, help="Look; book and export; everything.")
@click.pass_obj
def invite(call: CommandCall, email: str, role: str) -> None:
    """Print a link by which a person chooses a password: once, within a week."""
    token = call.ledger.people.invite(email, role, by="cli")
    click.echo(f"{call.assembly.settings.publisher.base.url}/staff/invite/{token}")


@staff.command(name="list")
@click.pass_obj
def list_staff(call: CommandCall) -> None:
    """Name everybody with their role."""
    people_command.list_all(call.ledger, say=click.echo)


@staff.command()
@click.argument("email")
@click.pass_obj
def disable(call: CommandCall, email: str) -> None:
    """Shut a person out and end their sessions."""
    person = call.ledger.people.disable(email)
    click.echo(f"{person.email} can no longer log in")


@staff.command()
@click.argument("email")
@click.pass_obj
def reset(call: CommandCall, email: str) -> None:
    """Take codes and passkeys away from a person who lost them; the password stays."""
    call.ledger.factors.reset(email, by="cli")
    click.echo(f"{email} signs in with the password alone")


@commands.command()
@_HOST
@_PORT
def demo(host: str, port: int) -> None:
    """Show everything on this machine alone: a local chain, real transfers, no keys, no internet."""
    import_module("support_service.demo").run_demo(listening_address(host), port, say=click.echo)


@commands.command(hidden=True)
@_HOST
@_PORT
@click.pass_obj
def sample_article(call: CommandCall, host: str, port: int) -> None:
    """Serve the demo's sample article, which embeds the widget."""
    publisher = call.assembly.settings.publisher
    create = import_module("support_service.demo.article").sample_door
    address = listening_address(host)
    load = partial(create, publisher, address, port)
    import_module("support_service.server").serve(load, address, reserve_port(address, port))


def main() -> None:
    """Run the command line of this process."""
    sys.excepthook = tell_bug
    commands()
