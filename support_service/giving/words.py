"""What staff call kinds and states of money. Pure."""

from support_service.giving.methods import Phrase
from support_service.giving.states import Kind, State

STATE_WORDS = {
    State.SEEN: Phrase("seen"),
    State.CONFIRMED: Phrase("confirmed"),
    State.ORPHANED: Phrase("orphaned"),
    State.REPLACED: Phrase("replaced"),
    State.REFUNDED: Phrase("refunded"),
    State.PARTIALLY_REFUNDED: Phrase("partially refunded"),
    State.DISPUTED: Phrase("disputed"),
    State.QUARANTINED: Phrase("quarantined"),
}
KIND_WORDS = {
    Kind.DONATION: Phrase("donation"),
    Kind.OUTFLOW: Phrase("outflow"),
    Kind.PROTOCOL: Phrase("block reward"),
    Kind.UNATTRIBUTED: Phrase("not yet explained"),
    Kind.INTERNAL: Phrase("between our addresses"),
    Kind.OPENING: Phrase("opening balance"),
    Kind.PAYOUT: Phrase("payout of card money"),
    Kind.OTHER: Phrase("no gift"),
    Kind.REVIEW: Phrase("to be looked at"),
}
