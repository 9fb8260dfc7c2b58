"""What was typed is never lost: a form that came after its session's end waits until its person has signed in.

It is kept sealed, without passwords and files, for its person alone. Nothing is sent on by itself: the page that the
form stood on is shown again with the form filled, and the person presses once more.
"""

import json
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, current_app, g, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger import LedgerError
from support_service.ledger.staff import Role
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.refill import PASSING, refill

log = logging.getLogger(__name__)

blueprint = Blueprint("kept", __name__)

TOKEN_BYTES = 16
# Never kept, whatever the form: what a person signs in with, and what a browser's script adds.
NEVER_KEPT = frozenset({guard.FORM_FIELD, "password", "old", "again", "proof", "otp", "answer"})
NOT_THERE = Phrase("This form is over, or it is somebody else's.")
NOTHING_KEPT = Phrase("There is nothing to go on with")
# Words of ours in a form, not of who typed.
_NOT_TYPED = PASSING | {"action", "sure", "turn", "processor", "form", "lang"}


Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form as it was sent: where to, what the address of its page asks for, and its fields in their order."""

    path: str
    query: Pairs
    fields: Pairs

    @property
    def typed(self) -> tuple[str, ...]:
        """What a person wrote there, for a page on which the form stands no more."""
        return tuple(value for name, value in self.fields if name not in _NOT_TYPED and value.strip())

    def written(self) -> bytes:
        """Write it as it is sealed."""
        return json.dumps([self.path, self.query, self.fields], ensure_ascii=False).encode("utf-8", "surrogatepass")


def keep(owner: str) -> str | None:
    """Keep the form of this request for its owner; return the path that leads back, None where it cannot be."""
    try:
        person = service().ledger.people.find(owner)
        return None if person is None or person.disabled_at is not None else keep_this(person.email)
    except LedgerError as error:
        log.warning("staff_form_not_kept", extra={"error": str(error)})
        return None


def keep_this(email: str) -> str:
    """Keep what this request asks for, for its person, and return the path that leads back to its page."""
    path, query, fields = request.path, request.args.items(multi=True), request.form.items(multi=True)
    asked = tuple((name, value) for name, value in query if name == "lang" or request.method == "GET")
    form = KeptForm(path, asked, tuple((name, value) for name, value in fields if name not in NEVER_KEPT))
    token = secrets.token_hex(TOKEN_BYTES)
    service().ledger.kept_forms.keep(email, token, guard.keys().seal("kept form", form.written()))
    return f"/staff/kept/{token}"


def read_sealed(keys: guard.Keys, sealed: str) -> list[str] | None:
    """Read what a kept form would tell of a person: each part of its address, and what was typed; None: unreadable."""
    form = _opened(keys, sealed)
    # What was asked on the page about people is the asking, and tells of nobody that anything is kept.
    is_told = form is not None and not form.path.endswith("/donors")
    return [*form.path.split("/"), *(value for _, value in (*form.query, *form.fields))] if form and is_told else None


def kept_form() -> KeptForm | None:
    """Find, once a request, the form that this page is asked to fill."""
    if "kept_form" not in g:
        g.kept_form = None
        with suppress(LedgerError):
            g.kept_form = _find(request.args.get("kept", ""))
    form: KeptForm | None = g.kept_form
    return form


@blueprint.get("/kept/<token>")
@login_required(Role.VIEWER)
def back(token: str) -> BaseResponse | tuple[str, int]:
    """Lead to the page that a kept form stands on."""
    form = _find(token)
    if form is None:
        return render_template("staff/notice.html", heading=NOTHING_KEPT, text=NOT_THERE, command=None), 404
    query = [(name, value) for name, value in form.query if name not in {"lang", "kept"}]
    lang = request.args.get("lang") or dict(form.query).get("lang")
    told = urlencode([*query, ("kept", token), *([("lang", lang)] if lang else [])])
    return redirect(f"{request.script_root}{quote(page_of(form.path))}?{told}", 303)


def fill_again(response: Response) -> Response:
    """Fill the form of a page that was asked to; where it stands no more, show what was typed."""
    if "kept" not in request.args or request.method != "GET" or guard.known_session() is None:
        return response
    form = kept_form()
    if form is None or request.endpoint == "staff.kept.back" or response.mimetype != "text/html":
        return response
    whole = response.get_data(as_text=True)
    filled = refill(whole, f"{request.script_root}{form.path}", form.fields) if response.status_code == 200 else None
    if filled is None and form.typed:
        here = url_for("staff.kept.back", token="").rpartition("/kept/")[0] + page_of(form.path).removeprefix("/staff")
        filled = render_template("staff/kept.html", typed=form.typed, here=here)
    if filled is not None:
        response.set_data(filled)
    return response


def page_of(path: str) -> str:
    """Name the page that a form stands on: its own address, or the nearest one above that can be looked at."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    while path.count("/") > 1:
        try:
            endpoint, _ = adapter.match(path, method="GET")
        except HTTPException:
            endpoint = None
        # A file is no page: it is asked for again where it is offered.
        if endpoint is not None and endpoint != "staff.download":
            return path
        path = path.rpartition("/")[0]
    return "/staff/"


def _find(token: str) -> KeptForm | None:
    session = guard.current_session()
    if session is None or not token.isalnum() or len(token) != 2 * TOKEN_BYTES:
        return None
    sealed = service().books.kept_forms.find(session.person.email, token)
    return None if sealed is None else _opened(guard.keys(), sealed)


def _opened(keys: guard.Keys, sealed: str) -> KeptForm | None:
    told = keys.unseal("kept form", sealed)
    if told is None:
        return None
    path, query, fields = json.loads(told.decode("utf-8", "surrogatepass"))
    return KeptForm(path, *(tuple((name, value) for name, value in pairs) for pairs in (query, fields)))
