"""What the telling knows beside the ledger: who is told, what is watched, whose addresses are shown, and all words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support_service.giving import Phrase, Plan
from support_service.money import Money
from support_service.notifications.events import PlanStands
from support_service.notifications.settings import Notifications
from support_service.rails.rail import Expected, Rail
from support_service.settings.schema import Publisher


@dataclass(frozen=True, slots=True)
class Voice:
    """One language: says phrases and sums."""

    lang: str
    say: Callable[[Phrase], str]
    sum: Callable[[Money], str]


@dataclass(frozen=True, slots=True)
class Newsroom:
    """One publisher, as the telling sees it.

    shown: what readers are shown of each method, as text, by its key. problems: what is not as it was signed now.
    """

    told: Notifications
    publisher: Publisher
    sources: tuple[Expected, ...]
    titles: Mapping[str, Phrase]
    shown: Mapping[str, str]
    rails: Mapping[str, Rail]
    problems: Callable[[], tuple[str, ...]]
    voice: Callable[[str], Voice]

    @property
    def url(self) -> str:
        """Where readers and staff reach us, without a slash at the end."""
        return self.publisher.base.url

    def title(self, method: str, voice: Voice) -> str:
        """Say what a way to give is called; one that is no longer there by its key."""
        return voice.say(self.titles[method]) if method in self.titles else method

    def stands(self, plan: Plan) -> PlanStands:
        """Say how a plan stands, by the words of its rail; one whose rail is gone runs on without us."""
        rail = self.rails.get(plan.rail)
        if rail is None:
            return PlanStands(is_over=False, is_failing=False)
        return PlanStands(plan.state in rail.ended_plans, plan.state in rail.failing_plans)

    def has_begun(self, plan: Plan) -> bool:
        """Tell whether a plan was ever paid."""
        rail = self.rails.get(plan.rail)
        return rail is not None and plan.state not in rail.unbegun_plans
