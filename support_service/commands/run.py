"""`run` and `watch`: the web part and the watcher, as processes of one machine."""

import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from support_service import watcher
from support_service.assembly import Assembly, build_sources, build_valuation, expected_sources, unwatched_networks
from support_service.commands.exact_sums import NAME as EXACT_SUMS
from support_service.commands.exact_sums import ExactSums
from support_service.commands.notify import build_notifiers, is_notifier
from support_service.commands.output import Say
from support_service.commands.retention import NAME as RETENTION
from support_service.commands.retention import Retention
from support_service.giving import Clock, utc_now
from support_service.ledger import LEASE, Ledger, migrate
from support_service.settings import worker_environment
from support_service.supervisor import Child, Supervisor, accepts_connections, set_on_signals

# Starting Python and building the methods takes about a second; a busy machine needs more.
WEB_START_SECONDS_MAX = 60


def run_service(assembly: Assembly, host: str, port: int, *, say: Say) -> None:
    """Bring the database forward, then keep the page and the watcher running until a signal comes.

    Raises LedgerError where there is no database to be had. A node that cannot be reached stops nothing.
    """
    file = assembly.settings.file
    applied = migrate(assembly.settings.database_url)
    say(f"Database: {'brought forward' if applied else 'ready'}.")
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    try:
        supervisor.start(web_child(file, host, port))
        if expected_sources(assembly) or not assembly.told.is_empty or assembly.settings.privacy.keep_days:
            supervisor.start(watch_child(file))
        if supervisor.wait_until(lambda: accepts_connections(host, port), WEB_START_SECONDS_MAX):
            _say_where(assembly, page_address(host, port), say)
        supervisor.run()
    finally:
        supervisor.stop()
    say("Stopped.")


def watch(
    assembly: Assembly,
    ledger: Ledger,
    *,
    once: bool,
    say: Say,
    clock: Clock = utc_now,
    lease: timedelta = LEASE,
) -> int:
    """Watch every source until a signal comes, or once; return the exit code.

    Once is for people, and for what they do at a time: it looks whoever else reads.

    Raises LedgerDown or LedgerOutdated, which say what to do: a watcher never migrates.
    """
    ledger.cursors()
    # Values come late: in one look they find what those before them have just confirmed; people are told last.
    is_on_chain = any(one.network for one in expected_sources(assembly))
    keep_days = assembly.settings.privacy.keep_days
    sources = [
        *build_sources(assembly, ledger, clock=clock),
        *([ExactSums(ledger.awaited_sums.answered)] if is_on_chain else []),
        *build_valuation(assembly, ledger.unvalued, clock=clock),
        *([Retention(keep_days, ledger.donors.forget_before, clock=clock)] if keep_days else []),
        *build_notifiers(assembly, ledger, clock=clock),
    ]
    if not sources:
        say(f"nothing to watch: {_lacking(assembly)}")
        return 0
    if once:
        outcomes = watcher.run_once(sources, ledger)
        for outcome in outcomes:
            # What only ties sums to choices, forgets, or tells people is no source of money, and told where it failed.
            is_about_money = outcome.source not in {EXACT_SUMS, RETENTION} and not is_notifier(outcome.source)
            if is_about_money or not outcome.is_good:
                say(_outcome_line(outcome))
        return 0 if all(outcome.is_good for outcome in outcomes) else 1
    stop = threading.Event()
    set_on_signals(stop, signal.SIGINT, signal.SIGTERM)
    watcher.run(sources, ledger, stop, clock=clock, lease=lease)
    return 0


def _lacking(assembly: Assembly) -> str:
    """Name all that would be watched if the settings had it."""
    rails = assembly.rails.values()
    nodes = f"no method has a network with a node ({_node_keys(assembly)} in [networks.NAME])"
    tables = [f"no [{rail.name}]" for rail in rails if rail.processor]
    *first, last = [nodes, *tables, *(rail.lacks for rail in rails if rail.lacks)]
    return f"{', '.join(first)}, and {last}"


def web_child(file: Path, host: str, port: int, *, is_demo: bool = False) -> Child:
    """Describe the web part as a child process."""
    return own_child("web", file, "web", "--host", host, "--port", str(port), is_demo=is_demo)


def watch_child(file: Path, *, is_demo: bool = False) -> Child:
    """Describe the watcher as a child process."""
    return own_child("watch", file, "watch", is_demo=is_demo)


def own_child(name: str, file: Path, *arguments: str, is_demo: bool) -> Child:
    """Describe one of our own commands as a child process, with the same settings file."""
    # -P: what lies in the folder we were started from must not stand in for our own modules.
    command = [sys.executable, "-P", "-m", "support_service", "--config", str(file.absolute()), *arguments]
    return Child(name, command, worker_environment(file, is_demo=is_demo))


def watched_networks(assembly: Assembly) -> tuple[str, ...]:
    """Name the networks that a method is on and a node is set for."""
    deaf = set(unwatched_networks(assembly))
    return tuple(name for name in dict.fromkeys(watch.network for watch in assembly.watches) if name not in deaf)


def page_address(host: str, port: int) -> str:
    """Write where this machine reaches the service; every address of the machine is named by loopback."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _node_keys(assembly: Assembly) -> str:
    return " or ".join(dict.fromkeys(key for rail in assembly.rails.values() for key in rail.node_keys))


def _outcome_line(outcome: watcher.SourceOutcome) -> str:
    if not outcome.is_good:
        return f"{outcome.source}: not read to its end: {outcome.reason}"
    reach = "" if outcome.height is None else f"read up to {outcome.height}; "
    return f"{outcome.source}: {reach}{outcome.donations_changed} changes"


def _say_where(assembly: Assembly, address: str, say: Say) -> None:
    watched, deaf = watched_networks(assembly), unwatched_networks(assembly)
    say(f"Support page:  {address}/support")
    say(f"Staff:         {address}/staff/  (let somebody in: support-service staff add EMAIL --role admin)")
    watched = (*watched, *(one.name for one in expected_sources(assembly) if one.network is None))
    say(f"Watching:      {', '.join(watched) or 'nothing; no method has a network with a node'}")
    if deaf:
        say(f"Not watched:   {', '.join(deaf)} (shown to readers; set {_node_keys(assembly)} in [networks.NAME])")
    say("Stop with Ctrl-C.")
