"""Run every source for ever: read, accept, rest. One thread a source, so that a slow one holds up no other.

A kill at any moment is safe, and so are two watchers at once: a report and its cursor are stored in
one transaction, by compare-and-set. Where they may run on several machines, each source is read by the one that has
its lease; the others wait for its end.
"""

import logging
import os
import random
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from support_service.giving import Clock, Cursor, SetAside, SourceWarning, utc_now
from support_service.ledger import (
    LEASE,
    BadReport,
    CursorMoved,
    Health,
    Leases,
    Ledger,
    LedgerDown,
    LedgerError,
    LedgerOutdated,
    SourceContradiction,
    SourceFrozen,
)
from support_service.rails.source import (
    MustFreeze,
    Source,
    SourceDown,
    SourceError,
    SourceLeft,
    SourceLied,
    SourceRefused,
    asking_while,
)

BACKOFF_SECONDS_FIRST = 1.0
BACKOFF_SECONDS_MAX = 300.0
# A source that lied is asked again, since settings or node may have been mended, but not often.
LIED_PAUSE_SECONDS = 300.0
# A frozen source asks its node nothing; how long after `unfreeze` it may stay quiet.
FROZEN_PAUSE_SECONDS = 10.0
TELL_EVERY = timedelta(minutes=1)
# How soon a source that rests hears that it is woken.
LISTEN_SECONDS = 3.0
# How often one turn gives way to a faster watcher before it rests.
CURSOR_MOVED_MAX = 10
# A lease is renewed so often within its length; whoever has it takes it to end a tenth earlier than the database does.
RENEWALS_PER_LEASE, LEASE_MARGIN = 4, 10
# How soon a source that waits for its lease sees that it has it.
LEASE_LOOK_SECONDS = 0.25
# Waiting for threads at the end; what they still do is undone by the database, not by us.
STOP_SECONDS_MAX = 5.0

log = logging.getLogger(__name__)


class SourceBusy(SourceError):
    """A source whose cursor others kept moving: what it read was booked by them, or not at all."""


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What one turn of one source came to; reason says what was wrong, "" if nothing."""

    source: str
    height: int | None
    donations_changed: int
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether the source was read up to its head."""
        return not self.reason


def turn(source: Source, ledger: Ledger, *, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Read a source up to its present head, accepting every report; tell whether a donation changed.

    Raises SourceDown, SourceLied, SourceBusy and LedgerError. Reports accepted before that are kept.
    """
    return _changed(source, ledger, is_stopped) > 0


def _changed(source: Source, ledger: Ledger, is_stopped: Callable[[], bool]) -> int:
    changed = 0
    ledger.refuse_frozen(source.name)
    for _ in range(CURSOR_MOVED_MAX):
        beside = _Beside(source, ledger)
        try:
            for report in source.reports(ledger.cursor(source.name)):
                # First: a thing that is set aside without need is read once more, one that is forgotten never.
                beside.keep(is_over=False)
                changed += len(ledger.accept(report).donations) + source.booked()
                if is_stopped():
                    break
        except CursorMoved:
            # Another watcher has taken this step; what it read is in the ledger, we go on from there.
            continue
        except MustFreeze as error:
            ledger.freeze(source.name, str(error), error.evidence)
            log.warning("source_frozen", extra={"source": source.name, "reason": str(error)})
            raise
        except SourceError:
            beside.keep(is_over=False)
            raise
        beside.keep(is_over=True)
        return changed
    raise SourceBusy(f"{source.name}: another watcher was faster {CURSOR_MOVED_MAX} times in a row; is one too many?")


class _Beside:
    """What a source sets aside in one turn, kept in the ledger as far as it changes."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self._asides = source.asides
        self._name, self._ledger = source.name, ledger
        self._held: dict[str, SetAside] = {}
        if self._asides is not None:
            self._held = {item.key: item for item in ledger.set_aside(source.name)}
            self._asides.load(self._held.values())

    def keep(self, *, is_over: bool) -> None:
        """Store what is new or changed; once the turn is over, forget what could be read at last.

        Raises LedgerError.
        """
        if self._asides is None:
            return
        now = {item.key: item for item in self._asides.items}
        news = [item for key, item in now.items() if self._held.get(key) != item]
        solved = [key for key in self._held if key not in now and is_over]
        if news or solved:
            self._ledger.note_set_aside(news, [(self._name, key) for key in solved])
        for item in news:
            if item.key not in self._held:
                log.warning("set_aside", extra={"source": self._name, "what": item.key, "reason": item.reason})
        for key in solved:
            log.info("read_at_last", extra={"source": self._name, "what": key})
        self._held = now if is_over else {**self._held, **now}


def run_once(sources: Sequence[Source], ledger: Ledger) -> list[SourceOutcome]:
    """Read every source up to its present head, once; a fault of one does not keep the others from it.

    Raises LedgerDown and LedgerOutdated where the ledger itself cannot be used.
    """
    return [_one(source, ledger) for source in sources]


def _one(source: Source, ledger: Ledger) -> SourceOutcome:
    taken = _take_turn(source, ledger, lambda: False)
    if isinstance(taken.error, LedgerDown | LedgerOutdated):
        raise taken.error
    if taken.state is not None:
        ledger.note_health(source.name, taken.state, taken.reason, taken.warnings)
    held = ledger.cursor(source.name)
    if taken.error is None:
        note_balances(source, ledger, held)
    return SourceOutcome(source.name, held.height if held else None, taken.donations_changed, taken.reason)


def note_balances(source: Source, ledger: Ledger, held: Cursor | None) -> None:
    """Keep what a source that was read well says that we hold; raises LedgerError."""
    told = () if held is None else source.balances(held)
    if told:
        ledger.balances.note(source.name, told)


@dataclass(frozen=True, slots=True)
class _Taken:
    """One turn: what changed and what is to be told of it, or what was wrong.

    state is None where the fault says nothing about the source.
    """

    donations_changed: int = 0
    error: Exception | None = None
    reason: str = ""
    state: Health | None = Health.OK
    rest_seconds: float = 0.0
    warnings: tuple[SourceWarning, ...] = ()


def _take_turn(source: Source, ledger: Ledger, is_stopped: Callable[[], bool]) -> _Taken:
    """Take one turn; no fault of a source, of whatever kind, gets past this to the others."""
    try:
        changed = _changed(source, ledger, is_stopped)
        return _Taken(changed, warnings=source.warnings())
    except SourceDown as error:
        return _Taken(0, error, str(error), Health.DOWN, error.retry_after_seconds)
    except (MustFreeze, SourceFrozen) as error:
        return _Taken(0, error, str(error), Health.LIED, FROZEN_PAUSE_SECONDS)
    except (SourceLied, SourceContradiction, BadReport) as error:
        # Asked again it will most likely say the same: not often.
        return _Taken(0, error, str(error), Health.LIED, LIED_PAUSE_SECONDS)
    except (SourceBusy, SourceLeft, LedgerError) as error:
        return _Taken(0, error, str(error), None)
    except Exception as error:
        # The one blanket catch: a broken source must not end the others, and is tried again like a silent one.
        log.exception("watcher_broke", extra={"source": source.name})
        return _Taken(0, error, f"internal error ({type(error).__name__}), see the log", Health.DOWN)


def run(
    sources: Sequence[Source],
    ledger: Ledger,
    stop: threading.Event,
    *,
    clock: Clock = utc_now,
    lease: timedelta = LEASE,
) -> None:
    """Watch the sources whose lease we have until `stop` is set; comes back within a few seconds then."""
    keeper = LeaseKeeper([source.name for source in sources], ledger.leases, length=lease, clock=clock)
    watches = [SourceWatch(source, ledger, stop, clock, keeper=keeper) for source in sources]
    threads = [threading.Thread(target=watch.forever, name=watch.name, daemon=True) for watch in watches]
    if ledger.leases.are_needed:
        # The last to be joined: until all others have ended, nobody may take what they still read.
        threads.append(threading.Thread(target=keeper.forever, args=(stop,), name="leases", daemon=True))
    for thread in threads:
        thread.start()
    stop.wait()
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if ledger.leases.are_needed and not any(thread.is_alive() for thread in threads):
        keeper.release()


def elapsed_seconds() -> float:
    """Count seconds by a clock that nobody sets, and that goes on while the process or the machine is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC)


class LeaseKeeper:
    """Keeps the leases of our sources, and knows by a clock of its own which of them we have for sure.

    The database counts a lease from when it writes it, we count from before we asked: ours ends first. Whoever is cut
    off from the database, or stopped for longer than that, finds it ended.
    """

    def __init__(
        self,
        sources: Sequence[str],
        leases: Leases,
        *,
        length: timedelta = LEASE,
        elapsed: Callable[[], float] = elapsed_seconds,
        clock: Clock = utc_now,
    ) -> None:
        # People find the machine by its name; the rest tells two processes of one name apart.
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._sources, self._leases, self._length, self._elapsed = tuple(sources), leases, length, elapsed
        self._ends: dict[str, float] = {}
        self._had: frozenset[str] = frozenset()
        self._fault, self._clock = Fault("leases"), clock

    def has(self, source: str) -> bool:
        """Tell whether a source is ours to read now."""
        return not self._leases.are_needed or self._elapsed() < self._ends.get(source, 0.0)

    def forever(self, stop: threading.Event) -> None:
        """Renew until told to stop."""
        while not stop.wait(self.step()):
            pass

    def step(self) -> float:
        """Renew what we have, take what nobody has; return how many seconds to rest.

        The rests differ, so that those who wait for the same lease do not ask together.
        """
        began, rest = self._elapsed(), self._length.total_seconds() / RENEWALS_PER_LEASE
        try:
            have = self._leases.claim(self._sources, self.holder, length=self._length)
        except LedgerError as error:
            self._fault.note(str(error), self._clock())
        else:
            self._fault.end(self._clock())
            seconds = self._length.total_seconds() * (1 - 1 / LEASE_MARGIN)
            self._ends = dict.fromkeys(have, began + seconds)
            self._tell(have)
        return rest * random.uniform(0.7, 1.0)  # noqa: S311 - jitter, no secret

    def release(self) -> None:
        """Give everything back; where the ledger does not answer, the leases end by themselves."""
        self._ends = {}
        try:
            self._leases.release(self._sources, self.holder)
        except LedgerError as error:
            log.warning("leases_kept", extra={"reason": str(error)})

    def _tell(self, have: frozenset[str]) -> None:
        for source in sorted(have - self._had):
            log.info("lease_taken", extra={"source": source, "holder": self.holder})
        for source in sorted(self._had - have):
            log.warning("lease_lost", extra={"source": source, "holder": self.holder})
        self._had = have


@dataclass(slots=True)
class Fault:
    """A fault that lasts is told once a minute, its end once; one that waits for a person is told once."""

    source: str
    reason: str = ""
    since: datetime | None = None
    told_at: datetime | None = None
    is_for_people: bool = False

    def note(self, reason: str, now: datetime, *, is_for_people: bool = False) -> None:
        """Keep the fault, and tell it if it is new, another one, or was not told for a minute."""
        self.since, self.is_for_people = self.since or now, is_for_people
        if reason != self.reason:
            self.reason, self.told_at = reason, None
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """Say what is wrong, if something is and it is time."""
        if self.since is None:
            return
        if self.told_at is not None and (self.is_for_people or now - self.told_at < TELL_EVERY):
            return
        self.told_at = now
        seconds = int((now - self.since).total_seconds())
        log.warning("source_faulty", extra={"source": self.source, "reason": self.reason, "seconds": seconds})

    def end(self, now: datetime) -> None:
        """Say that all is well again, if it was not."""
        if self.since is not None:
            seconds = int((now - self.since).total_seconds())
            log.info("source_restored", extra={"source": self.source, "seconds": seconds})
        self.reason, self.since, self.told_at = "", None, None


class SourceWatch:
    """One source under watch: turn after turn, with rests that grow while it is at fault."""

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        stop: threading.Event,
        clock: Clock,
        *,
        keeper: LeaseKeeper | None = None,
    ) -> None:
        self.name = source.name
        self._source, self._ledger, self._stop, self._clock = source, ledger, stop, clock
        self._keeper = keeper
        self._fault, self._failures = Fault(source.name), 0

    def forever(self) -> None:
        """Take turns until told to stop, whenever the source is ours."""
        while not self._stop.is_set():
            if self._is_ours():
                self._rest(self.step())
            else:
                self._stop.wait(LEASE_LOOK_SECONDS)

    def step(self) -> float:
        """Take one turn; return how many seconds to rest after it."""
        with asking_while(self._is_ours):
            taken = _take_turn(self._source, self._ledger, lambda: self._stop.is_set() or not self._is_ours())
        if isinstance(taken.error, SourceLeft):
            return 0.0
        if taken.error is not None:
            pause = self._failed(taken)
            is_frozen = isinstance(taken.error, MustFreeze | SourceFrozen)
            return FROZEN_PAUSE_SECONDS if is_frozen else pause
        self._failures = 0
        if taken.warnings:
            self._fault.note("; ".join(warning.text for warning in taken.warnings), self._clock())
        else:
            self._fault.end(self._clock())
        self._keep_health(Health.OK, warnings=taken.warnings)
        self._keep_balances()
        return self._source.poll_seconds

    def _is_ours(self) -> bool:
        return self._keeper is None or self._keeper.has(self.name)

    def _failed(self, taken: _Taken) -> float:
        """Keep a fault and say how long to rest: twice as long each time, less a random part.

        Without that part all watchers of a node that comes back would fall upon it together.
        """
        self._fault.note(taken.reason, self._clock(), is_for_people=isinstance(taken.error, SourceRefused))
        if taken.state is not None:
            self._keep_health(taken.state, taken.reason)
        self._failures += 1
        growing = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * (1 << min(self._failures - 1, 16)))
        return max(taken.rest_seconds, growing * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret

    def _keep_health(self, state: Health, reason: str = "", *, warnings: tuple[SourceWarning, ...] = ()) -> None:
        try:
            self._ledger.note_health(self.name, state, reason, warnings)
        except LedgerError as error:
            self._fault.note(str(error), self._clock())

    def _keep_balances(self) -> None:
        try:
            note_balances(self._source, self._ledger, self._ledger.cursor(self.name))
        except LedgerError as error:
            self._fault.note(str(error), self._clock())

    def _rest(self, seconds: float) -> None:
        listens = LISTEN_SECONDS if self._source.can_be_woken else TELL_EVERY.total_seconds()
        while seconds > 0 and not self._stop.is_set():
            slice_seconds = min(seconds, listens)
            self._stop.wait(slice_seconds)
            seconds -= slice_seconds
            self._fault.tell(self._clock())
            # What is at fault is left to its rest, whoever wakes it.
            if not self._failures and self._is_woken():
                return

    def _is_woken(self) -> bool:
        try:
            return self._source.is_woken()
        except LedgerError as error:
            self._fault.note(str(error), self._clock())
            return False
