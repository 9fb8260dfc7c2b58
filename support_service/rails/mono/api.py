"""Reading mono's API for the sweep: statements, single invoices and subscriptions. Raises SourceDown."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from support_service.rails.mono.client import MonoClient, NotThere, TooOften
from support_service.rails.mono.fields import ID, BadMessage, MonoJson, objects
from support_service.rails.mono.statement import pages_of
from support_service.rails.processor import CheckoutDown, CheckoutRefused
from support_service.rails.source import SourceDown

# The longest time that one question for a statement may span.
SPAN_SECONDS_MAX = 31 * 86_400 - 1
PLAN_PAGE, PLAN_PAGES_MAX = 100, 50


class MonoApi:
    """Asks one merchant's account; `source` is who asks, for messages."""

    def __init__(self, token: str, base: str, source: str) -> None:
        self._client, self._source = MonoClient(token, base), source

    def invoice(self, name: str) -> MonoJson | None:
        """Ask how an invoice is now; None where mono knows none of that name."""
        return self._one("/api/merchant/invoice/status", {"invoiceId": name}, name)

    def subscription(self, name: str) -> MonoJson | None:
        """Ask how a subscription is now; None where mono knows none of that name."""
        return self._one("/api/merchant/subscription/status", {"subscriptionId": name}, name)

    def statement(self, start: int, end: int) -> Iterator[list[MonoJson]]:
        """Yield the rows between two times (seconds since 1970), a question for each month."""
        while start < end:
            until = min(end, start + SPAN_SECONDS_MAX)
            told = self._get("/api/merchant/statement", {"from": str(start), "to": str(until)})
            try:
                yield objects(told, "list")
            except BadMessage as error:
                raise SourceDown(f"{self._source}: the statement cannot be read: {error}") from error
            start = until

    def payments(self, plan: str, since: datetime) -> Iterator[MonoJson]:
        """Yield the pages of a subscription's payments."""
        asked = {"subscriptionId": plan, "dateFrom": since.isoformat(timespec="seconds"), "limit": str(PLAN_PAGE)}
        for page in range(1, PLAN_PAGES_MAX + 1):
            told = self._get("/api/merchant/subscription/payments", {**asked, "page": str(page)})
            yield told
            try:
                if page >= pages_of(told):
                    return
            except BadMessage as error:
                raise SourceDown(f"{self._source}: a list of payments cannot be read: {error}") from error

    def _one(self, path: str, asked: Mapping[str, str], name: str) -> MonoJson | None:
        # A name is put into an address: what is no name is not sent.
        if not ID.fullmatch(name):
            return None
        try:
            return self._get(path, asked)
        except SourceDown as error:
            if isinstance(error.__cause__, NotThere):
                return None
            raise

    def _get(self, path: str, asked: Mapping[str, str]) -> MonoJson:
        try:
            return self._client.get(path, asked)
        except TooOften as error:
            told = f"{self._source}: {error}"
            raise SourceDown(told, retry_after_seconds=error.retry_after_seconds) from error
        except (CheckoutDown, CheckoutRefused) as error:
            raise SourceDown(f"{self._source}: {error}") from error
