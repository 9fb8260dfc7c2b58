"""The front door: everything that comes in passes here, on one event loop, before any thread is taken.

It knows our hosts and our prefix from the settings, bounds what is sent, serves finished answers from the
shelf, and hands the rest to the app in the threads of its kind. What floods, hangs or waits fills its own
kind and gets a 503 there; pages, codes and the widget are answered all the while.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from support_service.door.body import Bodies, Refused, limit_of
from support_service.door.finished import Captured, Finished
from support_service.door.live import Live, Patience
from support_service.door.negotiation import coding, holds
from support_service.door.pools import Busy, Pool, PoolKind, kind_of
from support_service.door.rsgi import Exchange, HeaderList, Scope
from support_service.door.shelf import ChosenPage, Depends, Found, Shelf
from support_service.door.visitor import OwnHosts, client_address
from support_service.door.wsgi import Piecewise, Request, begin, call, send_rest
from support_service.origin import BaseUrl, Host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

# An article of 2,048 characters, each percent-encoded twice over in UTF-8, fits; a flood does not.
QUERY_BYTES_MAX = 16_384
# A probe asks by whatever address it was given; what it is told names no host.
FOR_PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/totals.json"})
ALIVE: HeaderList = [("content-type", "application/json"), ("cache-control", "no-store")]

# The app's word that it wants to be asked once more, after so many seconds: the reader waits here, and no thread does.
HOLD = "x-hold-seconds"
HOLD_SECONDS_MAX = 2.5
# Whoever comes beyond these is answered at once: the page says to press again.
HELD_MAX = 100

# What a refusal says to people: its page, by status and by the language that the query asks for.
ErrorPage = Callable[[int, str], Captured]


@dataclass(frozen=True, slots=True)
class DoorPlace:
    """Where we stand, as the settings say it: our address, the hosts we answer to, the proxies in front."""

    base: BaseUrl
    hosts: tuple[Host, ...]
    proxy_hops: int = 0
    client_header: str = "x-forwarded-for"


@dataclass(frozen=True, slots=True)
class Routes:
    """What the door serves without the app, and how it says no."""

    error_page: ErrorPage
    shelved: Mapping[str, Depends] = field(default_factory=dict)
    live: Sequence[str] = ()
    headers: HeaderList = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)
    # Whether an answer may be given to readers: asked of those of few choices, when the shelf is filled.
    allows: Callable[[str, Captured], bool] = lambda _path, _answer: True


class Door:
    """One app behind its door; `__rsgi__` is what the server calls for each request."""

    def __init__(self, app: "WSGIApplication", place: DoorPlace, routes: Routes) -> None:
        self._app, self._place, self._routes = app, place, routes
        self._hosts = OwnHosts(place.hosts)
        self._prefix = place.base.script_name
        self._bodies = Bodies()
        self._held = 0
        self._pools = {kind: Pool(kind) for kind in PoolKind}
        self._shelf = Shelf(routes.shelved)
        self._refused: frozenset[str] = frozenset()
        self._live = {path: Live(partial(self._ask, path, ""), routes.patience) for path in routes.live}

    def warm(self) -> None:
        """Fill the shelf, before the first reader comes; again when answers must change, from any thread."""
        shelf, refused = Shelf(self._routes.shelved), set[str]()

        def ask(path: str, question: str) -> Captured:
            answer = call(self._app, self._place.base, Request("GET", path, question))
            if answer.status == 200 and not self._routes.allows(path, answer):
                refused.add(path)
                return self._routes.error_page(503, question)
            return answer

        shelf.fill(ask)
        self._shelf, self._refused = shelf, frozenset(refused)

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            await self._answer(scope, exchange)
        except Refused as refusal:
            self._refuse(refusal.status, scope, exchange)
        except Busy:
            log.warning("busy", extra={"kind": kind_of(scope.method, self._path(scope))})
            self._refuse(503, scope, exchange)

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        path = self._path(scope)
        if len(scope.query_string) > QUERY_BYTES_MAX:
            raise Refused(414)
        if not self._hosts.has(scope.headers.get_all("host"), scope.authority) and path not in FOR_PROBES:
            raise Refused(400)
        if scope.method in {"GET", "HEAD"}:
            if path == "/healthz":
                exchange.response_bytes(200, [*ALIVE, *self._routes.headers], b'{"status":"ok"}\n')
                return
            # One shelf to the end: what was asked before the answers changed is not kept on the next one.
            shelf = self._shelf
            found = shelf.find(path, scope.query_string)
            if found is not None and found.page is not None:
                found = await self._make(shelf, path, scope.query_string, found.page)
            if found is not None:
                answer = found.finished or await self._fetch(shelf, path, found.question)
                _send(answer, scope, exchange, version=found.version)
                return
            if path in self._live:
                live = await self._live[path].answer()
                if live is None:
                    raise Busy
                _send(live, scope, exchange)
                return
        await self._pass_on(path, scope, exchange)

    async def _make(self, shelf: Shelf, path: str, query: str, page: ChosenPage) -> Found | None:
        """Make the page of a sum that was never asked for, in the one thread for that: no flood of sums takes more."""
        made = await self._pools[PoolKind.CHOICES].run(partial(shelf.make, self._ask_now, path, page))
        if made.finished is None:
            return None
        shelf.place(path, page, made)
        return shelf.find(path, query)

    async def _fetch(self, shelf: Shelf, path: str, question: str) -> Finished | Captured:
        answer = await self._ask(path, question)
        return shelf.keep(path, question, answer) if answer.status == 200 else answer

    async def _ask(self, path: str, question: str) -> Captured:
        """Ask the app as nobody in particular."""
        kind = PoolKind.MACHINES if path in self._live else PoolKind.SHELF
        return await self._pools[kind].run(partial(self._ask_now, path, question))

    def _ask_now(self, path: str, question: str) -> Captured:
        if path in self._refused:
            return self._routes.error_page(503, question)
        return call(self._app, self._place.base, Request("GET", path, question))

    async def _pass_on(self, path: str, scope: Scope, exchange: Exchange) -> None:
        """Let the app answer in a thread of the request's kind."""
        limit = limit_of(path)
        body = await self._bodies.read(scope.headers, exchange, limit)
        try:
            request = Request(
                method=scope.method,
                path=path,
                query=scope.query_string,
                headers=scope.headers.items(),
                address=self._client(scope),
                body=body,
            )
            kind = kind_of(scope.method, path)
            call_app = partial(self._call, kind, request, exchange, asyncio.get_running_loop())
            answer = await self._pools[kind].run(call_app)
            if answer is not None and (seconds := _hold_seconds(answer)) and self._held < HELD_MAX:
                await self._hold(seconds)
                answer = await self._pools[kind].run(call_app)
        finally:
            self._bodies.release(len(body), limit)
        if answer is not None:
            headers = [item for item in answer.headers if item[0].lower() != HOLD]
            exchange.response_bytes(answer.status, headers, answer.body)

    async def _hold(self, seconds: float) -> None:
        self._held += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._held -= 1

    def _call(
        self, kind: PoolKind, request: Request, exchange: Exchange, loop: asyncio.AbstractEventLoop
    ) -> Captured | None:
        if kind is not PoolKind.EXPORTS:
            return call(self._app, self._place.base, request)
        answer = begin(self._app, self._place.base, request)
        if isinstance(answer, Piecewise):
            send_rest(answer, exchange, loop)
            return None
        return answer

    def _client(self, scope: Scope) -> str:
        fields = scope.headers.get_all(self._place.client_header) if self._place.proxy_hops else ()
        return client_address(scope.client, fields, self._place.proxy_hops)

    def _path(self, scope: Scope) -> str:
        """Take our prefix off, where a proxy has not done so."""
        path = scope.path
        if self._prefix and (path == self._prefix or path.startswith(f"{self._prefix}/")):
            return path[len(self._prefix) :] or "/"
        return path

    def _refuse(self, status: int, scope: Scope, exchange: Exchange) -> None:
        page = self._routes.error_page(status, scope.query_string)
        # A body may still be on its way: whoever sends it is not waited for.
        headers = [*page.headers, ("connection", "close")]
        exchange.response_bytes(status, headers, page.body)


def _hold_seconds(answer: Captured) -> float:
    """Tell how long the app wants a request to be held; 0: not at all."""
    asked = next((value for name, value in answer.headers if name.lower() == HOLD), "0")
    return min(float(asked), HOLD_SECONDS_MAX)


def _send(answer: Finished | Captured, scope: Scope, exchange: Exchange, *, version: str = "") -> None:
    """Send an answer in the form that the reader takes, or tell that they hold it already."""
    if isinstance(answer, Captured):
        exchange.response_bytes(answer.status, answer.headers, answer.body)
        return
    headers, is_named = scope.headers, version == answer.fingerprint
    if holds(headers.get_all("if-none-match"), answer.fingerprint):
        exchange.response_empty(304, answer.unchanged(is_named=is_named))
        return
    form = answer.form(coding(",".join(headers.get_all("accept-encoding"))), is_named=is_named)
    exchange.response_bytes(form.status, form.headers, form.body)
