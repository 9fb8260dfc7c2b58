"""What staff call kinds and states of money, and how a gift found its reader. Pure."""

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
# By the word that a match keeps of how it was found out whose gift it is.
MATCH_WORDS = {
    "reference": Phrase("the payment’s own reference"),
    "code": Phrase("support code"),
    "payer": Phrase("an account that gave before"),
    "amount": Phrase("the exact sum"),
    "claim": Phrase("a signature of the wallet"),
    "staff": Phrase("a person"),
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
