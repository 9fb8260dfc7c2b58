"""What processors push: verify, accept, and only then say 200. It calls nobody, but for a key to verify with.

400: not the processor's, or no message at all. 503: the ledger could not take it now, or that key could not be had, so
the processor sends it again, and the sweep would find it besides. What is the processor's but not understood is kept,
told to people and answered 200: sent again it would be no clearer.
"""

import logging
from collections import Counter
from threading import Lock

from flask import Blueprint, Flask, Response, abort, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from support_service.giving import Report, SetAside
from support_service.ledger import Ledger, LedgerError
from support_service.rails.processor import CheckoutDown, NotGenuine
from support_service.web.service import service

log = logging.getLogger(__name__)

blueprint = Blueprint("webhooks", __name__)

# The largest message that a processor sends is far below; a flood is refused before it is read.
BODY_BYTES_MAX = 256_000
RESULTS = ("accepted", "known", "refused", "delayed", "set_aside")
_COUNTS = "support.webhooks"


class MessageCounts:
    """How many messages came to this process that it has not told the ledger yet, by processor and what became of them.

    They are told when somebody asks for the sums: a flood of what is refused costs the ledger nothing.
    """

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), Counter[tuple[str, str]]()

    def note(self, processor: str, result: str) -> None:
        """Count one message."""
        assert result in RESULTS
        with self._lock:
            self._counts[processor, result] += 1

    def sums(self, ledger: Ledger) -> dict[tuple[str, str], int]:
        """Add ours to those of all processes, and return the sums; raises LedgerError, and then has ours still."""
        with self._lock:
            mine, self._counts = self._counts, Counter()
        try:
            if mine:
                ledger.webhook_counts.add(mine)
        except LedgerError:
            with self._lock:
                self._counts.update(mine)
            raise
        return ledger.webhook_counts.read()


def install(app: Flask) -> None:
    """Give the app its own counts."""
    app.extensions[_COUNTS] = MessageCounts()


def counts() -> MessageCounts:
    """Return the counts of this app."""
    held = current_app.extensions[_COUNTS]
    assert isinstance(held, MessageCounts)
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
    except (LedgerError, CheckoutDown) as error:
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


def _keep(name: str, report: Report, aside: SetAside) -> tuple[Response, int]:
    """Keep what is the processor's and was not understood: sent again it would not be understood either."""
    ledger = service().ledger
    if ledger.sweeps.known_reports(report.source, [aside.key]):
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
