"""The demo's readers who give by card: each goes the whole way of a person, over HTTP, at this machine's stand-ins.

Page, sum, button, payment page. A month passes each minute: monthly gifts are charged again, and slow
payments arrive. No card number is asked for anywhere and no money moves.
"""

import http.client
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from support_service.demo.json_values import Json
from support_service.demo.mono import MonoFake
from support_service.demo.stripe import StripeFake

# The page lets nobody confirm a sum that they cannot have read.
READ_SECONDS = 3.0
REST_SECONDS = 10.0
MONTH_SECONDS = 60.0
HTTP_SECONDS_MAX = 20
PAYER = {"email": "reader@example.org", "name": "Demo Reader", "do": "pay"}


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a server answered a reader; to is where it sends them, "" for nowhere."""

    status: int
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class CardGift:
    """What one reader gives by card: in words, and as the support page's form sends it."""

    words: str
    asked: dict[str, str]


GIFTS = (
    CardGift("10 EUR by card, every month", {"amount": "10", "currency": "EUR", "frequency": "monthly", "lang": "en"}),
    CardGift("200 UAH by card", {"amount": "200", "currency": "UAH", "frequency": "once", "lang": "en"}),
)


@dataclass
class CardReaders:
    """Lets each gift be given once, and months pass. `page` is where the service is reached."""

    page: str
    stripe: StripeFake
    plata: MonoFake | None = None
    left: list[CardGift] = field(default_factory=lambda: list(GIFTS))
    act_at: float = 0.0
    month_at: float = 0.0
    _form: dict[str, str] | None = None

    def turn(self, now: float) -> list[str]:
        """Take the step that is due at this monotonic time; tell what came of it. Raises OSError."""
        told = []
        if self.left and now >= self.act_at:
            told += self._step(now)
        if now >= self.month_at:
            told += self._months() if self.month_at else []
            self.month_at = now + MONTH_SECONDS
        return told

    def _step(self, now: float) -> list[str]:
        gift = self.left[0]
        if self._form is None:
            self.act_at = now + READ_SECONDS
            self._form = form_fields(_ask(self.page, "GET", f"/card?{urlencode(gift.asked)}").text)
            return []
        self.act_at, form = now + REST_SECONDS, self._form
        self._form = None
        answer = _ask(self.page, "POST", "/card?lang=en", form)
        if answer.status != http.HTTPStatus.SEE_OTHER:
            return []  # held back, as a person is who gives too often: later again
        parts = urlsplit(answer.to)
        _ask(f"{parts.scheme}://{parts.netloc}", "POST", parts.path, PAYER)
        del self.left[0]
        return [f"a reader gives  {gift.words}"]

    def _months(self) -> list[str]:
        """Charge what is due again, and let the slow payments of the last month arrive."""
        account = self.stripe.account
        with account.lock:
            slow = [str(one["id"]) for one in account.all("checkout.session") if _is_on_its_way(one)]
            due = [str(plan["id"]) for plan in account.all("subscription") if _is_monthly(plan)]
            for session in slow:
                self.stripe.settle(session)
            for plan in due:
                self.stripe.renew(plan)
        due += self._charged_by_plata()
        told = [f"a month passes: monthly gifts by card are charged again ({len(due)})"] if due else []
        return told + ([f"slow payments arrive ({len(slow)})"] if slow else [])

    def _charged_by_plata(self) -> list[str]:
        if self.plata is None:
            return []
        with self.plata.merchant.lock:
            held = self.plata.merchant.plans
            due = [name for name, plan in held.items() if plan.payments and plan.told["status"] == "active"]
            for plan in due:
                self.plata.renew(plan)
        return due


def form_fields(text: str) -> dict[str, str]:
    """Read what the form that is sent by POST on a page would send if nothing more is filled in."""
    reader = _FormReader()
    reader.feed(text)
    return reader.fields


def _is_on_its_way(session: Json) -> bool:
    return bool(session["status"] == "complete" and session["payment_status"] == "unpaid")


def _is_monthly(plan: Json) -> bool:
    interval = plan["items"]["data"][0]["price"]["recurring"]["interval"]
    return bool(plan["status"] == "active" and interval == "month")


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = named.get("method", "").lower() == "post"
        elif self._is_inside and tag == "input" and "name" in named and named.get("type") != "checkbox":
            self.fields[named["name"]] = named.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False


def _ask(origin: str, method: str, path: str, form: dict[str, str] | None = None) -> PageAnswer:
    """Ask a server of this machine; redirects are told and not followed. Raises OSError."""
    line = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=HTTP_SECONDS_MAX)
    try:
        body, headers = (urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}) if form else (None, {})
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return PageAnswer(answer.status, answer.headers.get("Location", ""), answer.read().decode())
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {type(error).__name__}") from error
    finally:
        line.close()
