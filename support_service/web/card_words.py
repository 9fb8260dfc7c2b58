"""How often, and the button's promise, in words. Pure."""

from support_service.giving import Frequency, Phrase

OFTEN = {
    Frequency.ONCE: Phrase("once"),
    Frequency.MONTHLY: Phrase("monthly"),
    Frequency.YEARLY: Phrase("yearly"),
}
_DONATE = {
    Frequency.ONCE: Phrase("Donate %(sum)s"),
    Frequency.MONTHLY: Phrase("Donate %(sum)s monthly"),
    Frequency.YEARLY: Phrase("Donate %(sum)s yearly"),
}


def often(frequency: str) -> Phrase:
    """Say how often; ValueError for what is no frequency."""
    return OFTEN[Frequency(frequency)]


def donate(frequency: str, told_sum: str) -> Phrase:
    """Promise on the button exactly what will be asked for: how much, and how often."""
    return Phrase(_DONATE[Frequency(frequency)].text, (("sum", told_sum),))
