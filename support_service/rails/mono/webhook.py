"""What was pushed, as a report. Pure.

A message that says nothing about money is a report, too: stored as it came, and counted. Of a card's token, which
is told beside a saved card, nothing is kept.
"""

import hashlib
import json
from dataclasses import dataclass

from support_service.giving import Decline, Report
from support_service.rails.mono.claims import NOTHING_SAID, ClaimReader, report_of
from support_service.rails.mono.fields import BadMessage, MonoJson, optional_name, read_object
from support_service.rails.mono.invoices import DECLINED, is_subscription, read_invoice, read_subscription
from support_service.rails.mono.method import RAIL

# Keeps a message that was not understood; its own key stays free for the report that understands it.
UNREAD = "unread:"
DIGEST_CHARACTERS = 24
# What begins the name of a thing that is set aside and has none of mono's.
NAMELESS = "message:"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A signed message: its key, the name of what it is about, and itself."""

    key: str
    about: str
    told: MonoJson | None
    raw: str


def read_pushed(body: bytes) -> Pushed:
    """Read a signed body; told is None where it is no JSON object."""
    digest = hashlib.sha256(body).hexdigest()[:DIGEST_CHARACTERS]
    try:
        told = read_object(body)
    except BadMessage:
        # Written as JSON it holds no sign that a database refuses.
        return Pushed(f"{NAMELESS}{digest}", f"{NAMELESS}{digest}", None, json.dumps(body.decode("utf-8", "replace")))
    name, raw = _about(told), json.dumps({key: value for key, value in told.items() if key != "walletData"})
    # Mono gives its messages no id: what is word for word the same is the same.
    return Pushed(f"{name}:{digest}" if name else f"{NAMELESS}{digest}", name or f"{NAMELESS}{digest}", told, raw)


def pushed_report(pushed: Pushed, reader: ClaimReader) -> tuple[Report, Decline | None]:
    """Say what it means; raise BadMessage where it lacks what its kind has."""
    told = pushed.told
    if told is None:
        raise BadMessage("is no JSON object")
    if is_subscription(told):
        return report_of(pushed.key, reader.subscription(read_subscription(told)), pushed.raw), None
    invoice = read_invoice(told)
    if invoice.ref is None and invoice.plan is None:
        # It may be a plan's all the same: the sweep, which can find out which, tells of it.
        return report_of(pushed.key, NOTHING_SAID, pushed.raw), None
    declined = None
    if invoice.status == DECLINED and reader.is_by_a_person(invoice):
        declined = Decline(RAIL, pushed.key, invoice.name, invoice.modified_at, invoice.ref)
    return report_of(pushed.key, reader.invoice(invoice), pushed.raw), declined


def unread_report(pushed: Pushed) -> Report:
    """Keep a message that nobody understood."""
    return report_of(f"{UNREAD}{pushed.key}", NOTHING_SAID, pushed.raw)


def _about(told: MonoJson) -> str | None:
    for name in ("invoiceId", "subscriptionId"):
        try:
            found = optional_name(told, name)
        except BadMessage:
            continue
        if found is not None:
            return found
    return None
