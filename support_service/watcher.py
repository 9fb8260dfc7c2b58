"""Run every source for ever: read, accept, rest. One thread a source, so that a slow one holds up no other.

A kill at any moment is safe, and so are two watchers at once: a report and its cursor are stored in
one transaction, by compare-and-set.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from support_service.giving import Clock, utc_now
from support_service.ledger import CursorMoved, Health, Ledger, LedgerError, SourceContradiction, SourceFrozen
from support_service.rails import MustFreeze, Source, SourceDown, SourceLied, Warns

BACKOFF_SECONDS_FIRST = 1.0
BACKOFF_SECONDS_MAX = 300.0
# A source that lied is asked again, since settings or node may have been mended, but not often.
LIED_PAUSE_SECONDS = 300.0
# A frozen source asks its node nothing; how long after `unfreeze` it may stay quiet.
FROZEN_PAUSE_SECONDS = 10.0
TELL_EVERY = timedelta(minutes=1)
# How often one turn gives way to a faster watcher before it rests.
CURSOR_MOVED_MAX = 10
# Waiting for threads at the end; what they still do is undone by the database, not by us.
STOP_SECONDS_MAX = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
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

    Raises SourceDown, SourceLied and LedgerError. Reports accepted before that are kept.
    """
    return _changed(source, ledger, is_stopped) > 0


def _changed(source: Source, ledger: Ledger, is_stopped: Callable[[], bool]) -> int:
    changed = 0
    ledger.refuse_frozen(source.name)
    for _ in range(CURSOR_MOVED_MAX):
        try:
            for report in source.reports(ledger.cursor(source.name)):
                changed += len(ledger.accept(report).donations)
                if is_stopped():
                    break
        except CursorMoved:
            # Another watcher has taken this step; what it read is in the ledger, we go on from there.
            continue
        except MustFreeze as error:
            ledger.freeze(source.name, str(error), error.evidence)
            log.warning("source_frozen", extra={"source": source.name, "reason": str(error)})
            raise
        break
    return changed


def run_once(sources: Sequence[Source], ledger: Ledger) -> list[Outcome]:
    """Read every source up to its present head, once; a fault of one does not keep the others from it.

    Raises LedgerError where the ledger itself cannot be used.
    """
    return [_one(source, ledger) for source in sources]


def _one(source: Source, ledger: Ledger) -> Outcome:
    changed, reason, state = 0, "", Health.OK
    try:
        changed = _changed(source, ledger, lambda: False)
    except SourceDown as error:
        reason, state = str(error), Health.DOWN
    except (SourceLied, SourceContradiction, SourceFrozen) as error:
        reason, state = str(error), Health.LIED
    ledger.note_health(source.name, state, reason or _warning(source))
    held = ledger.cursor(source.name)
    return Outcome(source.name, held.height if held else None, changed, reason)


def _warning(source: Source) -> str:
    told: object = source
    return told.warning if isinstance(told, Warns) else ""


def run(sources: Sequence[Source], ledger: Ledger, stop: threading.Event, *, clock: Clock = utc_now) -> None:
    """Watch all sources until `stop` is set; comes back within a few seconds then."""
    watches = [SourceWatch(source, ledger, stop, clock) for source in sources]
    threads = [threading.Thread(target=watch.forever, name=watch.name, daemon=True) for watch in watches]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(STOP_SECONDS_MAX)


@dataclass(slots=True)
class Fault:
    """A fault that lasts is told once a minute, its end once."""

    source: str
    reason: str = ""
    since: datetime | None = None
    told_at: datetime | None = None

    def note(self, reason: str, now: datetime) -> None:
        """Keep the fault, and tell it if it is new, another one, or was not told for a minute."""
        self.since = self.since or now
        if reason != self.reason:
            self.reason, self.told_at = reason, None
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """Say what is wrong, if something is and it is time."""
        if self.since is None or (self.told_at is not None and now - self.told_at < TELL_EVERY):
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

    def __init__(self, source: Source, ledger: Ledger, stop: threading.Event, clock: Clock) -> None:
        self.name = source.name
        self._source, self._ledger, self._stop, self._clock = source, ledger, stop, clock
        self._fault, self._failures = Fault(source.name), 0

    def forever(self) -> None:
        """Take turns until told to stop."""
        while not self._stop.is_set():
            self._rest(self.step())

    def step(self) -> float:
        """Take one turn; return how many seconds to rest after it."""
        try:
            turn(self._source, self._ledger, is_stopped=self._stop.is_set)
        except SourceDown as error:
            return self._failed(Health.DOWN, str(error), at_least=error.retry_after_seconds)
        except (MustFreeze, SourceFrozen) as error:
            self._failed(Health.LIED, str(error))
            return FROZEN_PAUSE_SECONDS
        except (SourceLied, SourceContradiction) as error:
            return self._failed(Health.LIED, str(error), at_least=LIED_PAUSE_SECONDS)
        except LedgerError as error:
            return self._failed(None, str(error))
        except Exception as error:
            # The one blanket catch: a broken source must not end the others, and is tried again like a silent one.
            log.exception("watcher_broke", extra={"source": self.name})
            return self._failed(Health.DOWN, f"internal error ({type(error).__name__}), see the log")
        self._failures = 0
        warning = _warning(self._source)
        if warning:
            self._fault.note(warning, self._clock())
        else:
            self._fault.end(self._clock())
        self._keep_health(Health.OK, warning)
        return self._source.poll_seconds

    def _failed(self, state: Health | None, reason: str, *, at_least: float = 0) -> float:
        """Keep a fault and say how long to rest: twice as long each time, less a random part.

        Without that part all watchers of a node that comes back would fall upon it together.
        """
        self._fault.note(reason, self._clock())
        if state is not None:
            self._keep_health(state, reason)
        self._failures += 1
        growing = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * (1 << min(self._failures - 1, 16)))
        return max(at_least, growing * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret

    def _keep_health(self, state: Health, reason: str) -> None:
        try:
            self._ledger.note_health(self.name, state, reason)
        except LedgerError as error:
            self._fault.note(str(error), self._clock())

    def _rest(self, seconds: float) -> None:
        while seconds > 0 and not self._stop.is_set():
            slice_seconds = min(seconds, TELL_EVERY.total_seconds())
            self._stop.wait(slice_seconds)
            seconds -= slice_seconds
            self._fault.tell(self._clock())
