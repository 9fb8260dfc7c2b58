"""What Prometheus reads about cards, and how a metric is written."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from support_service.ledger import Ledger
from support_service.ledger.outbox import ChannelBacklog
from support_service.notifications.settings import LETTERS
from support_service.web.card.guard import Mode, look
from support_service.web.card.offer import all_cards
from support_service.web.service import Service
from support_service.web.webhooks import counts

Sample: TypeAlias = tuple[Mapping[str, str], str]


def metric(name: str, about: str, samples: Iterable[Sample], *, kind: str = "gauge") -> Iterator[str]:
    """Write one metric in Prometheus' text format: (labels, value) a line.

    https://prometheus.io/docs/instrumenting/exposition_formats/: names of networks, assets and things come from
    settings and from outside, so all that ends a value or a line is escaped.
    """
    yield f"# HELP {name} {_escaped(about)}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        told = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels.items())
        yield f"{name}{{{told}}} {value}" if told else f"{name} {value}"


def lease_metrics(ledger: Ledger) -> Iterator[str]:
    """Tell which watcher reads each source, by the last part of its name: machines are named to staff alone."""
    held = [({"source": one.source, "holder": one.holder.rpartition(":")[2]}, "1") for one in ledger.leases.list()]
    if held:
        yield from metric("support_source_lease", "1 for the watcher that reads a source now.", held)


def outbox_metrics(at: Service, ledger: Ledger) -> Iterator[str]:
    """Tell what waits for each channel and what was given up; raises LedgerError."""
    told, held, now = at.configured.told, ledger.outbox.standing(), at.clock()
    keys = [*(channel.key for channel in told.channels), *([LETTERS] if told.mailbox is not None else [])]
    if not keys:
        return
    standing = {key: held.get(key, ChannelBacklog()) for key in dict.fromkeys([*keys, *held])}
    waiting = [({"channel": key}, str(one.waiting)) for key, one in standing.items()]
    yield from metric("support_outbox_waiting", "Messages that wait for their channel.", waiting)
    failed = [({"channel": key}, str(one.failed)) for key, one in standing.items()]
    yield from metric("support_outbox_failed", "Messages that were given up; staff may send them again.", failed)
    ages = [
        ({"channel": key}, str(int((now - one.oldest_at).total_seconds()) if one.oldest_at else 0))
        for key, one in standing.items()
    ]
    yield from metric("support_outbox_oldest_seconds", "Seconds since the oldest of those that wait was put.", ages)


def card_metrics(at: Service) -> Iterator[str]:
    """Tell how cards are taken now, for an alarm on anything but "open"; raises LedgerError."""
    states = {cards.processor.key: look(at, cards.processor.key) for cards in all_cards(at)}
    if not states:
        return
    modes = [
        ({"processor": name, "mode": str(mode)}, str(int(mode is state.mode)))
        for name, state in states.items()
        for mode in Mode
    ]
    yield from metric("support_card_mode", "1 for the way in which card payments are taken now.", modes)
    # Not how many were declined: who tries stolen cards would read here how far they may go. Staff see it.
    opened = [({"processor": name}, str(state.opened)) for name, state in states.items()]
    yield from metric("support_card_pages_opened", "Payment pages opened in the last ten minutes.", opened)


def webhook_metrics(ledger: Ledger) -> Iterator[str]:
    """Tell how many messages processors pushed to all web processes, by what became of them; raises LedgerError."""
    held = sorted(counts().sums(ledger).items())
    samples = [({"processor": name, "result": result}, str(count)) for (name, result), count in held]
    if samples:
        about = "Messages pushed by processors, to all web processes."
        yield from metric("support_webhook_messages_total", about, samples, kind="counter")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
