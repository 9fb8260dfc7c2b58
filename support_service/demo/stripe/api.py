"""One request of the API from key to answer: who asks, what was meant, once only, and every trouble ordered."""

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from support_service.demo.stripe import checkout, faults
from support_service.demo.stripe.account import Caller, StripeAccount
from support_service.demo.stripe.errors import StripeRefusal, invalid
from support_service.demo.stripe.faults import CardFaults
from support_service.demo.stripe.form import Form, decoded
from support_service.demo.stripe.once import Once, StripeAnswer
from support_service.demo.stripe.routes import Handler, routes
from support_service.demo.stripe.samples import API_VERSION

# Method, path as in Stripe's OpenAPI document, decoded parameters; raises Refusal for what Stripe would refuse.
Check: TypeAlias = Callable[[str, str, Form], None]


def check_nothing(_method: str, _path: str, _form: Form) -> None:
    """Let every parameter pass; what the demo uses, which has no schema of Stripe's at hand."""


@dataclass(frozen=True)
class StripeRequest:
    """A request as it came in. Header names are lower case."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Api:
    """Answers requests for one account."""

    account: StripeAccount
    keys: tuple[str, ...]
    check: Check = check_nothing
    versions: tuple[str, ...] = (API_VERSION,)
    faults: CardFaults = field(default_factory=CardFaults)
    once: Once = field(default_factory=Once)
    asked: list[StripeRequest] = field(default_factory=list)
    _routes: dict[tuple[str, str], Handler] = field(default_factory=routes)

    def answer(self, asked: StripeRequest) -> StripeAnswer:
        """Answer one request; ConnectionResetError says that the connection is to be closed without a word."""
        with self.account.lock:
            self.asked.append(asked)
            request = self.account.name("req", 14)
        key = asked.headers.get("idempotency-key")
        try:
            told = self._answer(asked, request, key if asked.method == "POST" else None)
        except StripeRefusal as refusal:
            told = StripeAnswer(refusal.status, refusal.body(request))
        common = {"Request-Id": request, "Stripe-Version": asked.headers.get("stripe-version", API_VERSION)}
        if key:
            common["Idempotency-Key"] = key
        return replace(told, headers={**common, **told.headers})

    def _answer(self, asked: StripeRequest, request: str, key: str | None) -> StripeAnswer:
        trouble, seconds = self.faults.take(asked.method, asked.path)
        faults.at_the_door(trouble)
        self._admit(asked)
        form = decoded(asked.query if asked.method in {"GET", "DELETE"} and asked.query else asked.body)
        route = self._find(asked)
        if "stripe-version" in asked.headers:
            # Who names no version is an older client than the schemas that we could check by.
            self.check(asked.method, route.path, form)
        fingerprint = json.dumps([asked.method, asked.path, form], sort_keys=True)
        work = _Work(route.handler, form, route.name, asked.path, Caller(request, key), trouble)
        return self.once.do(
            key,
            fingerprint,
            self.account.now(),
            act=lambda: self._act(work),
            hold=lambda: faults.afterwards(trouble, seconds, self.faults),
        )

    def _act(self, work: "_Work") -> StripeAnswer:
        with self.account.lock:
            checkout.expire_due(self.account)
            self.account.caller = work.caller
            try:
                faults.inside(work.trouble)
                return StripeAnswer(200, work.handler(self.account, work.form, work.name, work.path))
            except StripeRefusal as refusal:
                return StripeAnswer(refusal.status, refusal.body(str(work.caller.request)), is_kept=refusal.is_kept)
            finally:
                self.account.caller = Caller()

    def _admit(self, asked: StripeRequest) -> None:
        key = _key_of(asked.headers.get("authorization", ""))
        if not key:
            raise StripeRefusal(401, "invalid_request_error", "You did not provide an API key.")
        if key not in self.keys:
            raise StripeRefusal(401, "invalid_request_error", f"Invalid API Key provided: {key[:8]}****")
        version = asked.headers.get("stripe-version")
        if version is not None and version not in self.versions:
            raise invalid(f"Invalid Stripe API version: {version}")

    def _find(self, asked: StripeRequest) -> "_Route":
        for (method, path), handler in self._routes.items():
            pattern = re.sub(r"\\\{[a-z]+\\\}", "([A-Za-z0-9_]+)", re.escape(path))
            match = re.fullmatch(pattern, asked.path)
            if match and method == asked.method:
                return _Route(path, match[1] if match.groups() else "", handler)
        text = f"Unrecognized request URL ({asked.method}: {asked.path})."
        raise StripeRefusal(404, "invalid_request_error", text)


@dataclass(frozen=True)
class _Route:
    """What a request asks for: the API's path, the name that stands in it ("" for none), and who answers."""

    path: str
    name: str
    handler: Handler


@dataclass(frozen=True)
class _Work:
    """A request that is understood and may be carried out."""

    handler: Handler
    form: Form
    name: str
    path: str
    caller: Caller
    trouble: faults.CardTrouble | None


def _key_of(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind == "Bearer":
        return value.strip()
    if kind == "Basic":
        try:
            return b64decode(value, validate=True).decode("ascii").partition(":")[0]
        except (NotBase64, UnicodeDecodeError):
            return ""
    return ""
