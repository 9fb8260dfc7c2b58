"""What the stand-in refuses, in the shape in which Stripe refuses: a status and an error body."""

from dataclasses import dataclass

from support_service.demo.json_values import Json


@dataclass(eq=False)
class StripeRefusal(Exception):
    """An answer that is not 200; `is_kept` says that the same idempotency key brings it again."""

    status: int
    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    is_kept: bool = False
    decline_code: str | None = None

    def body(self, request_id: str) -> Json:
        """Return the error body that stripe-python turns into its exceptions."""
        told = {
            "type": self.kind,
            "message": self.message,
            "param": self.param,
            "code": self.code,
            "decline_code": self.decline_code,
            "doc_url": f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}" if self.code else None,
            "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}",
        }
        return {"error": {name: value for name, value in told.items() if value is not None}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeRefusal:
    """Refuse a request that cannot be understood; it may be mended and sent again under the same key."""
    return StripeRefusal(400, "invalid_request_error", message, param, code)


def refused(message: str, param: str | None = None, code: str | None = None) -> StripeRefusal:
    """Refuse a request that was understood and carried out; the same key brings the same refusal."""
    return StripeRefusal(400, "invalid_request_error", message, param, code, is_kept=True)


def missing(kind: str, name: str, param: str = "id") -> StripeRefusal:
    """Say that there is no such object."""
    status = 404 if param == "id" else 400  # 400 where it is not the address that names it
    return StripeRefusal(status, "invalid_request_error", f"No such {kind}: '{name}'", param, "resource_missing")
