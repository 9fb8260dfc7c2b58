"""How Stripe is asked: stripe-python with everything explicit, and its errors as ours.

Its defaults are 80 seconds and no second try. Here: 3 to connect and 10 to answer for whoever can wait, with two
more tries, each under the same idempotency key; for a request that somebody waits for one try, and less time.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from support_service.rails.processor import CheckoutDown, CheckoutRefused, CheckoutSilent
from support_service.rails.source import refuse_if_left

CONNECT_SECONDS, ANSWER_SECONDS = 3, 10
RETRIES = 2
# Connecting and answering together stay under what web/card/checkouts.py gives a reader's request.
PROMPT_CONNECT_SECONDS, PROMPT_ANSWER_SECONDS = 2, 6

# Answers that say nothing about the request itself: too many, the same key at work, their own fault.
_PASSING = frozenset({401, 403, 409, 429})

T = TypeVar("T")


def build_client(key: str, api_base: str, *, is_prompt: bool = False) -> Any:
    """Make a client; it costs tens of milliseconds and asks nobody. is_prompt: somebody waits for its answers."""
    timeout = (PROMPT_CONNECT_SECONDS, PROMPT_ANSWER_SECONDS) if is_prompt else (CONNECT_SECONDS, ANSWER_SECONDS)
    stripe: Any = import_module("stripe")
    session = import_module("requests").Session()
    # Stripe sends nobody on: whoever does is something in between, and no answer of theirs.
    session.max_redirects = 0
    return stripe.StripeClient(
        key,
        base_addresses={"api": api_base},
        max_network_retries=0 if is_prompt else RETRIES,
        http_client=stripe.RequestsClient(timeout=timeout, session=session),
    )


def asked(request: Callable[[], T]) -> T:
    """Ask, and say what went wrong as CheckoutDown (may pass; CheckoutSilent: no answer) or CheckoutRefused (a no).

    The texts are for the log: class, status, code and Stripe's id of the request, nothing that was sent.
    A wrong key passes, too, once somebody has mended it; the request itself was not refused. So does an answer
    that is not Stripe's own, whatever its status: nobody knows what Stripe did.
    """
    refuse_if_left()
    stripe: Any = import_module("stripe")
    try:
        return request()
    except stripe.StripeError as error:
        status = error.http_status
        told = [type(error).__name__, str(status or "no answer"), error.code or "", error.request_id or ""]
        text = " ".join(part for part in told if part)
        if status is None:
            raise CheckoutSilent(text) from error
        # Without an error object in it the answer is that of something in between, or garbled.
        is_down = error.error is None or status >= 500
        if is_down or status in _PASSING:
            raise CheckoutDown(text) from error
        raise CheckoutRefused(text) from error
