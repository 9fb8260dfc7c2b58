"""What Prometheus reads about cards, and how a metric is written."""

from collections.abc import Iterator

from support_service.web.card_guard import Mode, look
from support_service.web.cards import find_cards
from support_service.web.service import Service
from support_service.web.webhooks import counts


def metric(name: str, about: str, samples: list[tuple[str, str]], *, kind: str = "gauge") -> Iterator[str]:
    """Write one metric in Prometheus' text format: (labels, value) a line."""
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{labels} {value}" for labels, value in samples)


def card_metrics(at: Service) -> Iterator[str]:
    """Tell how cards are taken now, for an alarm on anything but "open"; raises LedgerError."""
    cards = find_cards(at)
    if cards is None:
        return
    state, name = look(at, cards.processor.key), cards.processor.key
    modes = [(f'{{processor="{name}",mode="{mode}"}}', str(int(mode is state.mode))) for mode in Mode]
    yield from metric("support_card_mode", "1 for the way in which card payments are taken now.", modes)
    label = f'{{processor="{name}"}}'
    # Not how many were declined: who tries stolen cards would read here how far they may go. Staff see it.
    opened = [(label, str(state.opened))]
    yield from metric("support_card_pages_opened", "Payment pages opened in the last ten minutes.", opened)


def webhook_metrics() -> Iterator[str]:
    """Tell how many messages processors pushed since the start, by what became of them."""
    held = sorted(counts().read().items())
    samples = [(f'{{processor="{name}",result="{result}"}}', str(count)) for (name, result), count in held]
    if samples:
        about = "Messages pushed by processors since the start."
        yield from metric("support_webhook_messages_total", about, samples, kind="counter")
