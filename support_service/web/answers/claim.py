"""It was I who sent it: a wallet's signature says whose gift a transfer is, for whoever wants it known.

A reader writes name, words and e-mail, if any, and signs a text that holds all of them, our address, and the
transaction: no other page can make another's signature say something else (what EIP-4361 asks of a text to sign),
and the text is no sign-in anywhere. Nothing tells who sent a transfer: a signature is compared, no address is shown.
"""

import logging
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import (
    MATCH_PART,
    Donation,
    Frequency,
    Intent,
    MatchClaim,
    Observation,
    Phrase,
    Report,
    State,
)
from support_service.giving.codes import issue
from support_service.ledger import History, Ledger, LedgerError, Outrun
from support_service.web.answers.asked import read_transaction
from support_service.web.answers.gift_by_mail import NO_ADDRESS, is_wrong_email, typed_email, typed_person
from support_service.web.answers.limits import Limit, admit
from support_service.web.answers.private import private
from support_service.web.card.form import MESSAGE_CHARS_MAX, NAME_CHARS_MAX
from support_service.web.guard import SecretUnusable, is_from_our_page, keys
from support_service.web.i18n import chosen_language
from support_service.web.one_line import one_line
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("claim", __name__)

LIMIT = Limit("claim", place_max=12, place_long_max=60, net_max=60, net_long_max=300, all_max=300)
BY, REASON = "claim", "signed by the wallet that sent it"
SOURCE = "claims"
# So long a text may be signed: one that lies about says nothing any more.
SIGNED_WITHIN = timedelta(hours=1)
REF_BYTES = 16
SIGNATURE_CHARS_MAX = 4_000
_REF = re.compile(r"[0-9a-f]{32}", re.ASCII)
_STANDS = (State.SEEN, State.CONFIRMED, State.PARTIALLY_REFUNDED)

NOT_SEEN = Phrase("We see no such transfer that a wallet could sign for. Ask first whether it has arrived.")
ELSEWHERE = Phrase("This form came from another page. Please look at it once more and press the button.")
TOO_MANY = Phrase("You, or others who share your network’s address, have asked very often. Ask again in ten minutes.")
DOWN = Phrase(
    "We cannot reach our records just now. Your transfer goes its way without this page; ask again in a minute."
)
TOO_LONG = Phrase("Please write less: a name of 100 characters and 500 characters of words at most.")
TOO_OLD = Phrase("The text to sign was too old or was changed: here is a new one.")
NOT_THEIRS = Phrase(
    "This is no signature of the wallet that sent it. An exchange cannot sign, nor can a wallet that is a contract, "
    "such as Safe: then write to us with the transaction. Your gift counts all the same."
)
KNOWN = Phrase("Whose gift this is was said before. If that is wrong, write to us with the transaction.")


@dataclass(frozen=True, slots=True)
class TransferClaim:
    """What somebody says of a transfer: its transaction, and who they are, as far as they like.

    gift is the reference of the page that they began for it, "" for none; at is when the text was made.
    """

    tx: str
    name: str
    message: str
    email: str
    gift: str
    at: datetime

    @property
    def names(self) -> tuple[str, ...]:
        """Every way in which the books may write the transaction."""
        return self.tx, self.tx.removeprefix("0x")

    @property
    def is_too_long(self) -> bool:
        """Tell whether more was written than is kept."""
        return len(self.name) > NAME_CHARS_MAX or len(self.message) > MESSAGE_CHARS_MAX

    def nonce(self, lang: str) -> str:
        """Write what only we can have written for exactly this claim."""
        parts = (self.tx, self.name, self.message, self.email, self.gift, lang, self.at.isoformat())
        return keys().digest("claim", *parts)[:32]


@dataclass(frozen=True, slots=True)
class Sought:
    """Where the transfer came, and the reader's choice whose page was begun for it, if one was."""

    rail: str
    network: str
    made: Intent | None


@blueprint.post("/arrived/claim")
def claim() -> BaseResponse:
    """Show the text to sign; with its signature, make the gift theirs and lead to its page."""
    at = service()
    claimed = _read(request.form, at.clock())
    if claimed is None:
        return private(_page(None, NOT_SEEN), 400)
    if not is_from_our_page():
        return private(_page(claimed, ELSEWHERE), 403)
    if claimed.is_too_long or is_wrong_email(at):
        return private(_page(claimed, TOO_LONG if claimed.is_too_long else NO_ADDRESS), 400)
    try:
        if not admit(at, LIMIT, request.remote_addr or ""):
            return private(_page(claimed, TOO_MANY), 429, retry_after=600)
        return _answer(at, claimed)
    except (LedgerError, SecretUnusable) as error:
        log.warning("claim_ledger_down", extra={"error": str(error)})
        return private(_page(claimed, DOWN), 503, retry_after=30)


def may_claim(at: Service, donation: Donation) -> bool:
    """Tell whether the wallet that sent this could sign for it; whose it is does not matter."""
    rail = at.configured.rails.get(donation.payment.rail)
    return rail is not None and bool(rail.signer) and donation.state in _STANDS


def _answer(at: Service, claimed: TransferClaim) -> BaseResponse:
    sought = at.read(partial(_sought, at, claimed))
    if sought is None:
        return private(_page(claimed, NOT_SEEN), 404)
    if not request.form.get("signature", "").strip():
        return private(_page(claimed, text=_text(at, claimed, sought)), 200)
    if not _is_ours(at, claimed):
        fresh = replace(claimed, at=at.clock().replace(microsecond=0))
        return private(_page(fresh, TOO_OLD, text=_text(at, fresh, sought)), 400)
    return _judge(at, claimed, sought)


def _sought(at: Service, claimed: TransferClaim, ledger: Ledger) -> Sought | None:
    """Find what is spoken of, whoever sent it; None where no wallet could sign for it, or the gift's page is none."""
    found = next((one for one in ledger.lookups.of_transaction(claimed.names) if may_claim(at, one)), None)
    made = ledger.intents.find(claimed.gift) if claimed.gift else None
    if found is None or (claimed.gift and (made is None or made.method in at.processors)):
        return None
    return Sought(found.payment.rail, found.identity.network, made)


def _judge(at: Service, claimed: TransferClaim, sought: Sought) -> BaseResponse:
    text, signature = _text(at, claimed, sought), request.form.get("signature", "")[:SIGNATURE_CHARS_MAX]
    payer = at.configured.rails[sought.rail].signed_by(text, signature)
    theirs = at.read(lambda ledger: ledger.lookups.sent_by(claimed.names, payer)) if payer is not None else ()
    theirs = tuple(one for one in theirs if may_claim(at, one))
    if not theirs:
        return private(_page(claimed, NOT_THEIRS, text=text), 400)
    free = tuple(one for one in theirs if _is_free(one))
    wanted = sought.made or _intent(at, claimed, theirs[0])
    ref = at.write(partial(_take, free, wanted)) if free else None
    # Who claims again what they claimed before is led to the same page.
    ref = ref or next((one.intent for one in theirs if one.match is not None and one.match.by == BY), None)
    if ref is None:
        return private(_page(claimed, KNOWN), 409)
    return redirect(url_for("gift.show", ref=ref, lang=chosen_language()), 303)


def _take(free: tuple[Donation, ...], wanted: Intent, ledger: Ledger) -> str | None:
    """Make these gifts theirs, once; return the reference of their page, None where somebody was faster."""
    nonce = f"{SOURCE}:{free[0].identity.ref}"
    intent = wanted
    if wanted.support_code is None:
        intent = ledger.intents.open(wanted, nonce=nonce, draw_code=partial(issue, secrets.randbelow))
    match = MatchClaim(intent.support_code, BY, REASON, intent.ref, intent.article)
    taken = None
    for one in free:
        report = Report(SOURCE, one.identity.ref, (Observation(one.identity, match, MATCH_PART, (0, 0)),))
        with suppress(Outrun):
            ledger.accept(report, still=_still_free)
            taken = intent.ref
    return taken


def _is_free(donation: Donation) -> bool:
    """Tell whether nobody ever said whose gift this is: what a person took back stays theirs to judge."""
    return donation.match is None and donation.intent is None and donation.support_code is None


def _still_free(held: History | None) -> bool:
    return held is not None and _is_free(held.donation)


def _intent(at: Service, claimed: TransferClaim, gift: Donation) -> Intent:
    return Intent(
        ref=secrets.token_hex(REF_BYTES),
        method=gift.payment.method,
        currency=gift.identity.asset,
        exponent=gift.payment.exponent,
        units=gift.payment.units,
        frequency=Frequency.ONCE,
        lang=chosen_language(),
        made_at=at.clock(),
        personal=typed_person(at, payer=claimed.name or None, message=claimed.message or None),
    )


def _text(at: Service, claimed: TransferClaim, sought: Sought) -> str:
    """Write the text that the wallet signs and shows: every line of it is in the signature."""
    publisher = at.assembly.settings.publisher.named(chosen_language())
    lines = [
        f"{at.base.site}: {publisher}",
        "",
        "I sent the transfer below as a gift. This signature only says so: it moves no money and gives no access.",
        "",
        f"Transaction: {claimed.tx}",
        f"Network: {sought.network}",
        *([f"Gift: {sought.made.support_code}"] if sought.made is not None else []),
        *([f"Name: {claimed.name}"] if claimed.name else []),
        *([f"Message: {claimed.message}"] if claimed.message else []),
        *([f"E-mail: {claimed.email}"] if claimed.email else []),
        f"URI: {at.base_url}/arrived",
        f"Nonce: {claimed.nonce(chosen_language())}",
        f"Issued At: {claimed.at:%Y-%m-%dT%H:%M:%SZ}",
    ]
    return "\n".join(lines)


def _read(form: Mapping[str, str], now: datetime) -> TransferClaim | None:
    tx = read_transaction(form.get("tx", ""))
    if tx is None:
        return None
    gift = form.get("gift", "")
    at = _moment(form.get("at", "")) or now.replace(microsecond=0)
    if gift:
        # Who they are was asked when the gift's page was begun.
        return TransferClaim(tx, "", "", "", gift if _REF.fullmatch(gift) else "-", at)
    name, message = (one_line(form.get(word, "")) for word in ("name", "message"))
    email = typed_email() if service().configured.told.mailbox is not None else ""
    return TransferClaim(tx, name, message, email, "", at)


def _moment(text: str) -> datetime | None:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        return None
    return datetime.fromtimestamp(int(text), UTC) if int(text) < 10**11 else None


def _is_ours(at: Service, claimed: TransferClaim) -> bool:
    """Tell whether we made this text, and lately."""
    age = at.clock() - claimed.at
    is_lately = timedelta(0) <= age + timedelta(seconds=1) and age <= SIGNED_WITHIN
    nonce = request.form.get("nonce", "")
    return is_lately and secrets.compare_digest(nonce.encode(), claimed.nonce(chosen_language()).encode())


def _page(claimed: TransferClaim | None, alert: Phrase | None = None, *, text: str = "") -> str:
    at = service()
    return render_template(
        "claim.html",
        claimed=claimed,
        text=text,
        nonce=claimed.nonce(chosen_language()) if claimed is not None and text else "",
        stamp=int(claimed.at.timestamp()) if claimed is not None else 0,
        alert=alert,
        asks_email=at.configured.told.mailbox is not None,
        site=at.base.site,
    )
