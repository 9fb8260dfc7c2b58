"""Is a pushed message Stripe's? Signature over the raw body, within five minutes of our clock. No network."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from support_service.rails.processor import NotGenuine

# Stripe's own default. Its library looks back only; a time to come is refused here as well.
TOLERANCE_SECONDS = 300
_HEADER = "stripe-signature"


def checked_body(body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: datetime) -> str:
    """Return the body as text if it was signed with one of the secrets and is fresh; raise NotGenuine.

    stripe-python raises several kinds of errors for what is no text, no header or no signature; each
    of them means the same to us.
    """
    header = next((text for name, text in headers.items() if name.lower() == _HEADER), "")
    # Late: `stripe` is loaded only where it is configured.
    stripe: Any = import_module("stripe")
    failure = "it has no signature"
    for secret in secrets:
        try:
            text = body.decode("utf-8")
            stripe.WebhookSignature.verify_header(text, header, secret)
            signed_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
        except (stripe.SignatureVerificationError, ValueError, TypeError, AttributeError) as error:
            failure = type(error).__name__
            continue
        if abs(int(now.timestamp()) - signed_at) > TOLERANCE_SECONDS:
            raise NotGenuine("signed too long ago, or in time to come")
        return text
    raise NotGenuine(f"not signed by the processor: {failure}")
