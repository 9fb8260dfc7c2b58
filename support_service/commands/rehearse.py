"""`make rehearse`: the whole line against a publisher's own node, read-only, on a ledger thrown away after.

It asks the node what it would be asked in service, books into a temporary database what it tells
about the addresses of the settings, and prints that. The publisher's own database is not opened.
"""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from support_service import watcher
from support_service.assembly import Assembly, assemble
from support_service.commands.errors import CommandForPeople, NotBuilt
from support_service.giving import Watch, utc_now
from support_service.ledger import ExportRow, Ledger, migrate
from support_service.log import configure_logging
from support_service.rails.rail import RailSettings
from support_service.rails.source import Source
from support_service.settings import packaged_block, settings_path
from support_service.supervisor import ProcessError

# A full node keeps the state of about 128 blocks; further back only an archive node can answer.
BLOCKS_DEFAULT = 100


class Rehearsal(CommandForPeople):
    """Told by its own name."""

    program = "rehearse"


@click.command(cls=Rehearsal)
@click.option("--network", required=True, help="A network of the settings, such as ethereum.")
@click.option("--rpc", required=True, help="Address of your node.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file; without one, the packaged example.")
@click.option("--blocks", type=click.IntRange(1), default=BLOCKS_DEFAULT, show_default=True, help="How far back.")
def rehearse(network: str, rpc: str, config: Path | None, blocks: int) -> int:
    """Print what the service would book from this node."""
    configure_logging(level=logging.WARNING)
    file = _settings_file(config)
    click.echo(f"Settings: {file}. Nothing is written to your database.")
    assembly = assemble(file)
    watches = tuple(watch for watch in assembly.watches if watch.network == network)
    if not watches:
        raise click.UsageError(f"no method of {file} is on a network {network!r}.")
    start = _head(assembly, network, rpc) - blocks + 1
    with tempfile.TemporaryDirectory(prefix="support-rehearsal-") as folder:
        url = f"sqlite:///{Path(folder) / 'rehearsal.db'}"
        migrate(url)
        ledger = Ledger(url)
        try:
            table = {**assembly.settings.networks[network], "rpc": [rpc], "quorum": 1}
            given = RailSettings({network: table}, _from_block(watches, max(start, 0)))
            return _book(_sources(assembly, given, ledger), ledger)
        finally:
            ledger.dispose()


def _settings_file(given: Path | None) -> Path:
    file = settings_path(given)
    return file if given or file.exists() else packaged_block()


def _head(assembly: Assembly, network: str, rpc: str) -> int:
    rail = assembly.rails[str(assembly.settings.networks[network]["rail"])]
    if not rail.ask_head:
        raise NotBuilt(f"a rehearsal on {network}")
    height = rail.head(rpc)
    if height is None:
        raise ProcessError("the node has no block yet")
    return height


def _from_block(watches: tuple[Watch, ...], start: int) -> tuple[Watch, ...]:
    return tuple(replace(watch, start_block=start) for watch in watches)


def _sources(assembly: Assembly, given: RailSettings, ledger: Ledger) -> list[Source]:
    (table,) = given.networks.values()
    return assembly.rails[str(table["rail"])].build_sources(given, ledger, clock=utc_now)


def _book(sources: list[Source], ledger: Ledger) -> int:
    outcomes = watcher.run_once(sources, ledger)
    for line in _row_lines(ledger.export()):
        click.echo(line)
    for outcome in outcomes:
        end = f"stopped: {outcome.reason}" if outcome.reason else f"read up to block {outcome.height}"
        click.echo(f"{outcome.source}: {end}; {outcome.donations_changed} rows booked")
    problems = ledger.verify()
    for problem in problems:
        click.echo(problem, err=True)
    click.echo(f"verify: {len(problems)} problems" if problems else "verify: the ledger is sound")
    return 0 if not problems and all(outcome.is_good for outcome in outcomes) else 1


def _row_lines(rows: Iterator[ExportRow]) -> Iterator[str]:
    for row in rows:
        yield "\t".join(str(row[name]) for name in ("occurred_at", "state", "kind", "amount", "asset", "locator"))


if __name__ == "__main__":
    rehearse()
