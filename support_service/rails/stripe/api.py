"""Reading Stripe's API: lists page by page, single objects, as plain JSON.

stripe-python sends, retries and judges the answers. Its objects are not made: to build them for a page of
a hundred events takes far longer than to fetch it, and the rail reads JSON anyway.
"""

from collections.abc import Callable, Iterator
from typing import Any

from support_service.rails.processor import CheckoutDown, CheckoutRefused
from support_service.rails.source import SourceDown
from support_service.rails.stripe.client import asked, build_client
from support_service.rails.stripe.fields import ID, NotReadable, StripeJson, name

PAGE = 100
_NOT_THERE = 404

# Where an object of a kind lies.
PATHS = {
    "event": "/v1/events",
    "balance_transaction": "/v1/balance_transactions",
    "charge": "/v1/charges",
    "checkout.session": "/v1/checkout/sessions",
    "dispute": "/v1/disputes",
    "invoice": "/v1/invoices",
    "invoice_payment": "/v1/invoice_payments",
    "payment_intent": "/v1/payment_intents",
    "refund": "/v1/refunds",
    "subscription": "/v1/subscriptions",
}


class StripeApi:
    """Asks one account. Made at first use of `pages` or `one`; both raise SourceDown."""

    def __init__(self, key: str, base: str, source: str) -> None:
        self._key, self._base, self._source = key, base, source
        self._client: Any = None

    def pages(self, path: str, **filters: Any) -> Iterator[list[StripeJson]]:
        """Yield a list's pages, newest first; filters are Stripe's own parameters."""
        after: dict[str, str] = {}
        while True:
            told = self._get(path, limit=PAGE, **filters, **after)
            data = told.get("data") if told is not None else None
            if told is None or not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
                raise SourceDown(f"{self._source}: {path} is no list")
            yield data
            if not told.get("has_more") or not data:
                return
            # One without an id at a page's end is told once more at the head of the next.
            ids = [known_as for one in data if (known_as := _id_of(one))]
            if not ids:
                raise SourceDown(f"{self._source}: {path}: a page of objects without an id")
            after = {"starting_after": ids[-1]}

    def one(self, kind: str, known_as: str, **parameters: Any) -> StripeJson | None:
        """Return an object as it is now; None where Stripe has none of that name."""
        # An id is put into an address: what is no id is not sent.
        return self._get(f"{PATHS[kind]}/{known_as}", **parameters) if ID.fullmatch(known_as) else None

    def _get(self, path: str, **parameters: Any) -> StripeJson | None:
        if self._client is None:
            self._client = build_client(self._key, self._base)
        request: Callable[[], Any] = lambda: self._client.raw_request("get", path, **parameters)  # noqa: E731
        try:
            answer = asked(request).data
        except CheckoutDown as error:
            raise SourceDown(f"{self._source}: {path}: {error}") from error
        except CheckoutRefused as error:
            if getattr(error.__cause__, "http_status", None) == _NOT_THERE:
                return None
            raise SourceDown(f"{self._source}: {path} was refused: {error}") from error
        if not isinstance(answer, dict):
            raise SourceDown(f"{self._source}: {path}: the answer is no object")
        return answer


def _id_of(of: StripeJson) -> str | None:
    try:
        return name(of)
    except NotReadable:
        return None
