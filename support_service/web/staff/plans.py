"""Plans as staff look them up: who gives by each, as far as it is known, and by which code, name or e-mail."""

from collections.abc import Iterable, Mapping, Sequence

from support_service.giving import Plan
from support_service.giving.codes import candidates, read_code
from support_service.ledger import Ledger, PlanGiver

# Of the plans that changed last, so many are looked through for a name.
LOOKED_THROUGH_MAX = 1_000
ASKED_CHARACTERS_MAX = 200


def givers_of(ledger: Ledger, plans: Sequence[Plan]) -> Mapping[str, PlanGiver]:
    """Tell who gives by each plan, by the reference of the choice that began it."""
    return ledger.plans.givers([plan.intent for plan in plans if plan.intent is not None])


def find_plans(ledger: Ledger, asked: str, rails: Iterable[str]) -> tuple[Plan, ...]:
    """Find plans by the giver's code, by the processor's name for them, or by a part of a name or an e-mail."""
    text = "".join(sign for sign in asked if sign.isprintable()).strip()
    intents = ledger.intents.issued(candidates([text]))
    code = read_code([text], intents).code
    if code:
        plan = ledger.plans.of(intents[code])
        return () if plan is None else (plan,)
    named = tuple(plan for plan in (ledger.plans.find(rail, text) for rail in rails) if plan is not None)
    return named or _by_person(ledger, text.casefold())


def _by_person(ledger: Ledger, text: str) -> tuple[Plan, ...]:
    if not text:
        return ()
    plans = ledger.plans.newest(LOOKED_THROUGH_MAX, None)
    givers = givers_of(ledger, plans)

    def is_it(plan: Plan) -> bool:
        giver = givers.get(plan.intent or "")
        return giver is not None and any(text in (told or "").casefold() for told in (giver.name, giver.email))

    return tuple(plan for plan in plans if is_it(plan))
