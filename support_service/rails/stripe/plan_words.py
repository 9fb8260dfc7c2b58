"""How a plan is, by the state of its subscription, in words for staff; and which of them charge no more. Pure."""

from support_service.giving import Phrase

PLAN_WORDS = {
    "active": Phrase("running"),
    "trialing": Phrase("running"),
    "past_due": Phrase("the last payment failed"),
    "unpaid": Phrase("the last payment failed"),
    "incomplete": Phrase("not paid yet"),
    "incomplete_expired": Phrase("never paid"),
    "paused": Phrase("paused"),
    "canceled": Phrase("stopped"),
}
ENDED_PLANS = frozenset({"canceled", "incomplete_expired"})
