"""Says what waits in the outbox on one channel, oldest first: a Source beside the others, one for each channel.

1. Take the message whose turn it is; nobody else says it meanwhile. 2. Write it, in words or facts. 3. Say it.
4. Keep the yes. Between 3 and 4 a kill makes it be said once more under the same key; a ledger that cannot be written
then does not: the yes is kept here, and written before anything else is said.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from support_service.giving import Clock, Cursor, Report
from support_service.ledger.outbox import Outbox, OutboxMessage
from support_service.notifications.way import ChannelDown, ChannelRefused, Message, Send
from support_service.rails.source import Source, SourceDown, refuse_if_left

POLL_SECONDS = 3.0
# So many in a row; then others have their turn.
MESSAGES_PER_TURN = 50
# After the first failure, and twice as long after each further one, but never longer than the second.
REST_FIRST, REST_MAX = timedelta(minutes=1), timedelta(hours=1)

log = logging.getLogger(__name__)

# Writes a message as it is said now; NothingToSay where there is nothing any more.
MessageWriter = Callable[[OutboxMessage], Message]


class NothingToSay(Exception):
    """What was to be said does not hold any more, or there is nobody to say it to; the text says why, for staff."""


def source_name(channel: str) -> str:
    """Name the sender of a channel, as the log and the health of sources know it."""
    return f"notify:{channel}"


class Sender(Source):
    """A Source that claims no money: it sends what waits for one channel."""

    poll_seconds = POLL_SECONDS

    def __init__(self, channel: str, send: Send, write: MessageWriter, outbox: Outbox, *, clock: Clock) -> None:
        self.name = source_name(channel)
        self._channel, self._send, self._write = channel, send, write
        self._outbox, self._clock = outbox, clock
        self._said: OutboxMessage | None = None

    def reports(self, after: Cursor | None) -> Iterator[Report]:
        """Say what is due; there is never a report. Raises SourceDown where the channel wants a rest."""
        del after
        self._keep_yes()
        for _ in range(MESSAGES_PER_TURN):
            refuse_if_left()
            held = self._outbox.take(self._channel)
            if held is None:
                break
            self._say(held)
        return iter(())

    def _say(self, held: OutboxMessage) -> None:
        if held.tries > 1 and self._clock() > held.give_up_at:
            self._outbox.say_failed(held, held.error or "it was begun and never ended")
            return
        try:
            message = replace(self._write(held), sent_at=self._clock())
            # As late as can be: whoever was held up for longer than a lease leaves it to the one who reads now.
            refuse_if_left()
            self._send(message)
        except NothingToSay as error:
            self._outbox.say_void(held, str(error))
        except ChannelRefused as error:
            self._outbox.say_failed(held, str(error))
            log.warning("notification_refused", extra={"channel": self._channel, "number": held.number})
        except ChannelDown as error:
            rest = timedelta(seconds=error.retry_after_seconds)
            at = self._clock() + max(rest, min(REST_MAX, REST_FIRST * (1 << min(held.tries - 1, 16))))
            self._outbox.say_later(held, str(error), at)
            if error.is_whole:
                told = f"{self.name}: {error}"
                raise SourceDown(told, retry_after_seconds=error.retry_after_seconds) from error
        else:
            self._said = held
            self._keep_yes()
            log.info("notification_sent", extra={"channel": self._channel, "kind": held.news.kind})

    def _keep_yes(self) -> None:
        """Write a yes down; where the ledger does not answer it is written before anything else is said."""
        if self._said is not None:
            self._outbox.say_sent(self._said)
            self._said = None
