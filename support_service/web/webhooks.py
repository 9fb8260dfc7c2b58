"""What processors push: verify, accept, and only then say 200. It calls nobody.

400: not the processor's, or no message at all. 503: the ledger could not take it now, so the processor
sends it again, and the sweep would find it besides. What is the processor's but not understood is kept,
told to people and answered 200: sent again it would be no clearer.
"""

import hmac
import logging
from collections import Counter
from threading import Lock

from flask import Blueprint, Flask, Response, abort, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from support_service.giving import Report, SetAside
from support_service.ledger import CursorMoved, LedgerError
from support_service.rails.bank import calls
from support_service.rails.bank.settings import Bank
from support_service.rails.processor import NotGenuine
from support_service.web.guard import Keys, keys
from support_service.web.service import service

log = logging.getLogger(__name__)

blueprint = Blueprint("webhooks", __name__)

# The largest event that Stripe sends is far below; a flood is refused before it is read.
BODY_BYTES_MAX = 256_000
RESULTS = ("accepted", "known", "refused", "delayed", "set_aside")
_COUNTS = "support.webhooks"


class Counts:
    """How many messages came since this process started, by processor and by what became of them."""

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), Counter[tuple[str, str]]()

    def note(self, processor: str, result: str) -> None:
        """Count one message."""
        assert result in RESULTS
        with self._lock:
            self._counts[processor, result] += 1

    def read(self) -> dict[tuple[str, str], int]:
        """Return all counts."""
        with self._lock:
            return dict(self._counts)


def install(app: Flask) -> None:
    """Give the app its own counts."""
    app.extensions[_COUNTS] = Counts()


def counts() -> Counts:
    """Return the counts of this app."""
    held = current_app.extensions[_COUNTS]
    assert isinstance(held, Counts)
    return held


@blueprint.post("/webhooks/<name>")
def hear(name: str) -> tuple[Response, int]:
    """Take one message of a processor in."""
    at = service()
    processor = at.processors.get(name) or abort(404)
    try:
        request.max_content_length = BODY_BYTES_MAX
        heard = processor.hear(request.get_data(cache=False), dict(request.headers))
    except (NotGenuine, RequestEntityTooLarge, ClientDisconnected) as error:
        counts().note(name, "refused")
        log.warning("webhook_refused", extra={"processor": name, "error": str(error)[:200]})
        return _said("refused"), 400
    except LedgerError as error:
        counts().note(name, "delayed")
        log.warning("webhook_delayed", extra={"processor": name, "error": str(error)})
        return _said("try again"), 503
    try:
        if heard.aside is not None:
            return _keep(name, heard.report, heard.aside)
        change = at.ledger.accept(heard.report)
        if heard.declined is not None:
            # Also of a message known already: the ledger may have failed between the two, and it counts each once.
            at.ledger.attempts.note_decline(heard.declined)
    except LedgerError as error:
        counts().note(name, "delayed")
        log.warning("webhook_delayed", extra={"processor": name, "key": heard.report.key, "error": str(error)})
        return _said("try again"), 503
    result = "known" if change.report_number is None else "accepted"
    counts().note(name, result)
    return _said(result), 200


@blueprint.route(f"{calls.PATH}<secret>", methods=["GET", "POST"])
def wake(secret: str) -> tuple[Response, int]:
    """Let the watcher look sooner; nothing that is said here is believed, or read. First monobank asks by GET.

    It is told 200 also while the ledger is down: the next look finds whatever it is, and a bank that hears
    anything else stops calling.
    """
    at = service()
    bank = next((bank for bank in at.assembly.banks.live if bank.can_call and _is_secret_of(bank, secret)), None)
    if bank is None:
        abort(404)
    if request.method == "POST":
        counts().note(bank.kind, "accepted")
        try:
            at.ledger.accept(calls.call(bank.source, at.ledger.cursor(calls.counter(bank.source)), at.clock()))
        except CursorMoved:
            pass  # somebody else has woken it at this very moment
        except LedgerError as error:
            log.warning("webhook_delayed", extra={"processor": bank.kind, "error": str(error)})
    return _said("heard"), 200


def _is_secret_of(bank: Bank, secret: str) -> bool:
    return hmac.compare_digest(call_secret(keys(), bank).encode(), secret.encode("utf-8", "replace"))


def call_secret(held: Keys, bank: Bank) -> str:
    """Make the last part of the address that a bank calls for one account."""
    return held.digest(calls.SECRET_PURPOSE, bank.key)[: calls.SECRET_CHARACTERS]


def _keep(name: str, report: Report, aside: SetAside) -> tuple[Response, int]:
    """Keep what is the processor's and was not understood: sent again it would not be understood either."""
    ledger = service().ledger
    if ledger.known_reports(report.source, [aside.key]):
        counts().note(name, "known")
        return _said("known"), 200
    ledger.accept(report)
    if aside.key not in {held.key for held in ledger.set_aside(aside.source)}:
        ledger.note_set_aside([aside])
        log.warning("webhook_set_aside", extra={"processor": name, "key": aside.key, "reason": aside.reason})
    counts().note(name, "set_aside")
    return _said("set aside"), 200


def _said(text: str) -> Response:
    response = Response(text + "\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
