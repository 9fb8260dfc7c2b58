"""Passkeys: made on one's own page, and asked for where one signs in or proves who one is.

For whom they are comes from publisher.url alone. The challenge is signed by us and bound to the browser or the session;
it serves once and for some minutes.
"""

import hmac
import json
import logging
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger.factors import Passkey, PasskeyUse
from support_service.ledger.invites import digest_of
from support_service.ledger.staff import LoginRefused, Role, Session
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff import devices, sign_in
from support_service.web.staff.passkey_answers import BadPasskey, PasskeyChallenge, read_new_key, read_signs
from support_service.web.staff.proof import proof_required

log = logging.getLogger(__name__)

blueprint = Blueprint("passkeys", __name__)

CHALLENGE_LASTS = timedelta(minutes=5)
ASKED_MILLISECONDS = 60_000
NONCE_BYTES = 16
NAME_CHARS_MAX = 60
# A browser's answer is one or two kilobytes.
ANSWER_CHARS_MAX = 20_000
# ES256, EdDSA, RS256 (RFC 9053): what every passkey of today signs with.
ALGORITHMS = (-7, -8, -257)

NOT_TAKEN = Phrase("This passkey was not taken: it may be here already. Try once more.")
NOT_KNOWN = Phrase("This passkey opens nothing here.")
TOLD = {
    "added": Phrase("The passkey is added: next time sign in with it."),
    "removed": Phrase("The passkey opens nothing any more. Remove it on your device, too."),
    "unknown": Phrase("Nothing was changed: there is no such passkey."),
}
_CHALLENGE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PasskeyOptions:
    """What a page asks its browser for: the options as the script reads them, and their challenge."""

    challenge: str
    options: str


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom a passkey is: the host that it is bound to, and the origin of our pages."""

    rp_id: str
    origin: str


def party() -> RelyingParty | None:
    """Say for whom passkeys are here; None where browsers make none: an address of numbers, or plain http."""
    site = service().base.site
    name = site.host.name
    is_secure = site.scheme == "https" or name == "localhost"
    return RelyingParty(name, str(site)) if is_secure and not _is_number(name) else None


@blueprint.get("/me/passkeys")
@login_required(Role.VIEWER)
def overview() -> str:
    """List one's own passkeys, and offer to add one."""
    return _page(TOLD.get(request.args.get("told", "")))


@blueprint.post("/me/passkeys/add")
@login_required(Role.VIEWER)
@proof_required
def add() -> BaseResponse | tuple[str, int]:
    """Keep the passkey that the browser made."""
    person, now = guard.signed_in().person, service().clock()
    name = " ".join(request.form.get("name", "").split())[:NAME_CHARS_MAX]
    asked = _asked("new passkey", guard.signed_in().digest)
    try:
        key = None if asked is None else read_new_key(_answer(), asked)
    except BadPasskey as error:
        log.warning("staff_passkey_refused", extra={"reason": str(error)})
        key = None
    if key is None or not name.isprintable() or not name:
        return _page(NOT_TAKEN), 400
    made = Passkey(key.credential, person.email, name, key.public_key, key.signs, now, None)
    if not service().ledger.factors.add_passkey(made):
        return _page(NOT_TAKEN), 400
    log.info("staff_passkey_added")
    return redirect(url_for("staff.passkeys.overview", told="added"), 303)


@blueprint.post("/me/passkeys/remove")
@login_required(Role.VIEWER)
@proof_required
def remove() -> BaseResponse:
    """Take one of one's own passkeys away."""
    email, credential = guard.signed_in().person.email, request.form.get("credential", "")
    is_gone = credential.isascii() and service().ledger.factors.remove_passkey(email, credential)
    return redirect(url_for("staff.passkeys.overview", told="removed" if is_gone else "unknown"), 303)


@blueprint.post("/login/passkey")
def enter() -> BaseResponse | tuple[str, int]:
    """Let a person in by a passkey alone: it asked for finger, face or PIN."""
    use = _read_use("sign in", guard.login_seed())
    if use is None:
        log.warning("staff_passkey_refused", extra={"reason": "it fits nothing"})
        return sign_in.login_page(NOT_KNOWN), 403
    try:
        signed_in = service().ledger.people.enter_by_passkey(use, old_token=guard.token_in_cookie())
    except LoginRefused:
        log.warning("staff_passkey_refused", extra={"reason": "used before, or shut out"})
        return sign_in.login_page(NOT_KNOWN), 403
    return sign_in.let_in(signed_in, devices.knock_of(use.key.email))


@blueprint.post("/prove/passkey")
@login_required(Role.VIEWER)
def prove() -> BaseResponse:
    """Take a passkey as the proof that is asked for once more."""
    session = guard.signed_in()
    if not _is_proof(session):
        log.warning("staff_proof_refused", extra={"reason": "passkey"})
        back = guard.next_path(request.args.get("next", ""))
        return redirect(url_for("staff.proof.prove", told="passkey", next=back), 303)
    log.info("staff_proved", extra=sign_in.told_of(devices.knock_of(session.person.email)))
    return redirect(sign_in.next_page(), 303)


def _is_proof(session: Session) -> bool:
    use = _read_use("prove", session.digest)
    try:
        if use is not None:
            service().ledger.people.prove_by_passkey(session, use)
    except LoginRefused:
        return False
    return use is not None


def ask_to_sign_in() -> PasskeyOptions | None:
    """Say what the login page asks the browser for; None where passkeys cannot be."""
    here = party()
    return None if here is None else _ask_to_get(here, _challenge("sign in", guard.login_seed()))


def ask_to_prove() -> PasskeyOptions | None:
    """Say the same for the page that asks once more, where its person has a passkey."""
    here, session = party(), guard.signed_in()
    if here is None or not service().books.factors.held(session.person.email).passkeys:
        return None
    return _ask_to_get(here, _challenge("prove", session.digest))


def _ask_to_get(here: RelyingParty, challenge: str) -> PasskeyOptions:
    asked = {"challenge": _encoded(challenge), "rpId": here.rp_id, "timeout": ASKED_MILLISECONDS}
    return PasskeyOptions(challenge, json.dumps({**asked, "userVerification": "required"}))


def _ask_to_make(here: RelyingParty, keys: tuple[Passkey, ...]) -> PasskeyOptions:
    session, publisher = guard.signed_in(), service().configured.settings.publisher
    email, challenge = session.person.email, _challenge("new passkey", session.digest)
    options = {
        "challenge": _encoded(challenge),
        "rp": {"id": here.rp_id, "name": publisher.name},
        "user": {"id": _encoded(_user_id(email)), "name": email, "displayName": email},
        "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
        "excludeCredentials": [{"type": "public-key", "id": key.credential} for key in keys],
        "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
        "attestation": "none",
        "timeout": ASKED_MILLISECONDS,
    }
    return PasskeyOptions(challenge, json.dumps(options))


def _user_id(email: str) -> str:
    # A browser keeps it in the open: it names nobody.
    return guard.keys().digest("passkey user", email)[:32]


def _challenge(purpose: str, bound_to: str) -> str:
    until, nonce = str(int((service().clock() + CHALLENGE_LASTS).timestamp())), secrets.token_hex(NONCE_BYTES)
    return f"{until}.{nonce}.{guard.keys().digest('passkey challenge', purpose, bound_to, until, nonce)}"


def _asked(purpose: str, bound_to: str) -> PasskeyChallenge | None:
    """Read the challenge that the answer is to; None for what we did not ask this browser for, or not lately."""
    here, held = party(), _CHALLENGE.fullmatch(request.form.get("challenge", ""))
    if here is None or held is None:
        return None
    until, nonce, signature = held.groups()
    right = guard.keys().digest("passkey challenge", purpose, bound_to, until, nonce)
    if not hmac.compare_digest(right, signature) or service().clock().timestamp() >= int(until):
        return None
    return PasskeyChallenge(held[0].encode(), here.rp_id, here.origin)


def _read_use(purpose: str, bound_to: str) -> PasskeyUse | None:
    """Read the answer of a passkey that we know; None where anything does not fit."""
    asked, answer = _asked(purpose, bound_to), _answer()
    key = None if asked is None else _named_key(answer)
    if asked is None or key is None:
        return None
    try:
        signs = read_signs(answer, asked, key.public_key, key.signs)
    except BadPasskey as error:
        log.warning("staff_passkey_refused", extra={"reason": str(error)})
        return None
    until = datetime.fromtimestamp(int(asked.challenge.partition(b".")[0]), UTC)
    return PasskeyUse(key, signs, digest_of(asked.challenge.decode()), until)


def _named_key(answer: str) -> Passkey | None:
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    credential = told.get("id") if isinstance(told, dict) else None
    is_text = isinstance(credential, str) and credential.isascii() and credential.isprintable()
    return service().ledger.factors.passkey(str(credential)) if is_text else None


def _answer() -> str:
    return request.form.get("answer", "")[:ANSWER_CHARS_MAX]


def _page(message: Phrase | None) -> str:
    held, here = service().books.factors.held(guard.signed_in().person.email), party()
    asked = _ask_to_make(here, held.passkeys) if here else None
    return render_template("staff/passkeys.html", keys=held.passkeys, asked=asked, message=message)


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _is_number(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
