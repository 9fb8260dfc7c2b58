"""How a subscription is, by mono's own word for it, in words for staff; and which of them charge no more. Pure."""

from support_service.giving import Phrase

PLAN_WORDS = {
    "active": Phrase("running"),
    "cancelled": Phrase("stopped"),
}
ENDED_PLANS = frozenset({"cancelled"})
