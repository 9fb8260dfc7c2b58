"""A watcher that reads a world badly: it dies between reports, is overtaken by another, and hears nonsense."""

import random
from collections import Counter
from itertools import islice
from typing import Protocol

from support_service.ledger import CursorMoved, Ledger
from support_service.rails.source import MustFreeze, Source, SourceDown


class IsRaced(Protocol):
    """What of a world's traits matters here: whether a second watcher reads beside the first."""

    @property
    def is_raced(self) -> bool:
        """Tell so."""
        ...


class Told(Protocol):
    """What of a world matters here."""

    counts: Counter[str]

    @property
    def traits(self) -> IsRaced:
        """What kind of world it is."""
        ...


class Reading:
    """The part of a player that is alike on every chain; who plays gives a new watcher, and judges a freeze."""

    ledger: Ledger
    random: random.Random
    source: Source
    rival: Source

    def _here(self) -> Told:
        raise NotImplementedError

    def _born(self) -> Source:
        raise NotImplementedError

    def _look_into(self, error: MustFreeze) -> None:
        raise NotImplementedError

    def _turn(self) -> None:
        """One turn of a watcher that may die after a report, be overtaken by another, or hear nonsense."""
        counts = self._here().counts
        if self.random.random() < 0.15:
            self.source = self._born()
            counts["restart"] += 1
        die_after = self.random.choice((None, None, None, 1, 2))
        counts["died_between_reports"] += die_after is not None
        try:
            for report in islice(self.source.reports(self.ledger.cursor(self.source.name)), die_after):
                if self._here().traits.is_raced and self.random.random() < 0.5:
                    self._overtake()
                self.ledger.accept(report)
        except CursorMoved:
            counts["overtaken"] += 1
        except SourceDown:
            counts["turn_down"] += 1
        except MustFreeze as error:
            self._look_into(error)

    def _overtake(self) -> None:
        try:
            self._read(self.rival)
        except SourceDown:
            self._here().counts["turn_down"] += 1
        except MustFreeze as error:
            self._look_into(error)

    def _read(self, source: Source) -> None:
        """Read a source to its end."""
        for report in source.reports(self.ledger.cursor(source.name)):
            self.ledger.accept(report)
