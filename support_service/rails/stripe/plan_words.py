"""How a plan is, by its subscription's state, in words for staff; which charge no more, which failed to. Pure."""

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
FAILING_PLANS = frozenset({"past_due", "unpaid"})
UNBEGUN_PLANS = frozenset({"incomplete"})
