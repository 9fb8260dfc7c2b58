"""What a bank calls: that something happened on an account. It wakes the watcher, and that is all."""

import hmac
import logging

from flask import Blueprint, Response, abort, request

from support_service.assembly import Assembly
from support_service.ledger import CursorMoved, LedgerError
from support_service.rails.bank import BANK, calls
from support_service.rails.bank.settings import Bank, BankChoices
from support_service.settings import Settings
from support_service.web.guard import Keys, keys, keys_of
from support_service.web.service import service
from support_service.web.webhooks import counts

log = logging.getLogger(__name__)

blueprint = Blueprint("bank_calls", __name__)


@blueprint.route(f"{calls.PATH}<secret>", methods=["GET", "POST"])
def wake(secret: str) -> tuple[Response, int]:
    """Let the watcher look sooner; nothing that is said here is believed, or read. First monobank asks by GET.

    It is told 200 also while the ledger is down: the next look finds whatever it is, and a bank that hears
    anything else stops calling.
    """
    at = service()
    bank = next((bank for bank in callers(at.assembly) if _is_secret_of(bank, secret)), None)
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
    response = Response("heard\n", mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response, 200


def callers(assembly: Assembly) -> tuple[Bank, ...]:
    """List the accounts whose bank may call us."""
    choices = assembly.own.get(BANK.name)
    return tuple(bank for bank in choices.live if bank.can_call) if isinstance(choices, BankChoices) else ()


def call_address(settings: Settings, bank: Bank) -> str:
    """Write the address that a bank may call for one account; raises SecretUnusable."""
    return f"{settings.publisher.base.url}{calls.PATH}{_secret_of(keys_of(settings.web.secret_file), bank)}"


def _is_secret_of(bank: Bank, secret: str) -> bool:
    return hmac.compare_digest(_secret_of(keys(), bank).encode(), secret.encode("utf-8", "replace"))


def _secret_of(held: Keys, bank: Bank) -> str:
    return held.digest(calls.SECRET_PURPOSE, bank.key)[: calls.SECRET_CHARACTERS]
