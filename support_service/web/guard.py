"""Who asks, and whether they mean it: the secret, tokens in forms, the staff cookie, roles.

Three things stand before every unsafe method under /staff: the request comes from our own page
(Origin), it carries a token that only our page could write (HMAC bound to the session, or to a
cookie before there is one), and the person's role covers what is asked.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeAlias, TypeVar, cast

from Crypto.Cipher import AES
from flask import Response, abort, g, request
from werkzeug.wrappers import Response as BaseResponse

from support_service.ledger import LedgerDown
from support_service.ledger.staff import Role, Session, address_key
from support_service.origin import BadAddress, Origin, read_origin
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.web.networks import networks_of
from support_service.web.service import SAFE_METHODS, service

if TYPE_CHECKING:
    from Crypto.Cipher._mode_siv import SivMode

log = logging.getLogger(__name__)

SECRET_BYTES = 32
TAG_BYTES = 16
DIGEST_CHARS = 64
FORM_FIELD = "csrf_token"
COOKIE = "support_staff"
LOGIN_COOKIE = "support_staff_login"

# Letters, digits and single slashes below /staff: nothing that a browser may read as another site.
_STAFF_PATH = re.compile(r"/staff(?:/[a-z0-9]+)*/?", re.ASCII)

SameSite: TypeAlias = Literal["Strict", "Lax"]
P = ParamSpec("P")
Answer = TypeVar("Answer", bound=str | BaseResponse | tuple[str, int])


class SecretUnusable(Exception):
    """The secret file cannot be made or read; the text says what to do."""


class NotSignedIn(Exception):
    """Nobody is signed in, or no longer."""


class Forged(Exception):
    """An unsafe request that does not come from our own form, or from one that is too old."""


class Keys:
    """Makes keyed digests from the one secret; a purpose keeps each use apart from the others."""

    def __init__(self, secret: bytes) -> None:
        assert len(secret) >= SECRET_BYTES
        self._secret = secret

    def digest(self, purpose: str, *parts: str) -> str:
        """Return HMAC-SHA256 in hex over the purpose and the parts, which may not run into each other."""
        text = "".join(f"{len(part.encode())}:{part}" for part in (purpose, *parts))
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def seal(self, purpose: str, told: bytes) -> str:
        """Write what nobody else can read or write; the same text for the same bytes (AES-SIV, RFC 5297)."""
        sealed, tag = self._cipher(purpose).encrypt_and_digest(told)
        return urlsafe_b64encode(tag + sealed).decode().rstrip("=")

    def unseal(self, purpose: str, text: str) -> bytes | None:
        """Read what was sealed for this purpose; None for what was not."""
        try:
            held = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return bytes(self._cipher(purpose).decrypt_and_verify(held[TAG_BYTES:], held[:TAG_BYTES]))
        except ValueError:
            return None

    def _cipher(self, purpose: str) -> "SivMode":
        key = hmac.new(self._secret, f"seal {purpose}".encode(), hashlib.sha512).digest()
        return AES.new(key, AES.MODE_SIV)


def keys() -> Keys:
    """Return this app's keys; the secret file is read, or made, when first needed."""
    return keys_of(service().assembly.settings.web.secret_file)


@lru_cache(maxsize=8)
def keys_of(file: Path) -> Keys:
    """Return the keys that a secret file makes; raises SecretUnusable."""
    return Keys(read_or_make_secret(file))


def read_or_make_secret(file: Path) -> bytes:
    """Read the secret, or make it with mode 0600; several workers that start at once agree on one.

    Raises SecretUnusable.
    """
    try:
        if not file.exists():
            _make_secret(file)
        text = read_text_file(file).strip()
        is_open = stat.S_IMODE(file.stat().st_mode) & 0o077
    except OSError as error:
        raise SecretUnusable(f"{file}: cannot be read or made ({error.strerror}); see web.secret_file") from error
    except Unreadable as error:
        raise SecretUnusable(f"{file}: {error}; see web.secret_file") from error
    if len(text) < SECRET_BYTES:
        raise SecretUnusable(f"{file}: holds fewer than {SECRET_BYTES} characters; remove it and a new one is made")
    if is_open:
        log.warning("secret_file_open_to_others", extra={"mode": oct(is_open)})
    return text.encode()


def _make_secret(file: Path) -> None:
    """Write the whole file under another name, then link it: nobody ever reads half a secret."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(SECRET_BYTES) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return  # another worker was faster; its secret is the one
    finally:
        draft.unlink()


def is_https() -> bool:
    """Tell whether people reach us over https, also where a proxy in front speaks it for us."""
    return service().base.site.scheme == "https"


def cookie_name(name: str) -> str:
    """Name a cookie so that, over https, no other host can set it (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{name}" if is_https() else name


def set_cookie(
    response: BaseResponse, name: str, value: str, *, lasts: timedelta | None = None, same_site: SameSite = "Strict"
) -> None:
    """Set a cookie for this browser session, or for longer, out of reach of scripts and other sites.

    Lax is for what must be there when somebody comes back by a link from elsewhere.
    """
    response.set_cookie(
        cookie_name(name), value, max_age=lasts, path="/", secure=is_https(), httponly=True, samesite=same_site
    )


def drop_cookie(response: BaseResponse, name: str, *, same_site: SameSite = "Strict") -> None:
    """Take a cookie away; the attributes must be those it was set with."""
    response.delete_cookie(cookie_name(name), path="/", secure=is_https(), httponly=True, samesite=same_site)


def token_in_cookie() -> str:
    """Return the session token that the browser brought, or ""."""
    return request.cookies.get(cookie_name(COOKIE), "")


def current_session() -> Session | None:
    """Look up, once a request, whose session this is; raises LedgerDown, soon where a page is looked at."""
    if "staff_session" not in g:
        token = token_in_cookie()
        g.staff_session = _session_of(token) if token else None
        if g.staff_session is not None:
            # While nobody can write, looking goes on; half an hour of that, and one signs in anew.
            with suppress(LedgerDown):
                service().ledger.prompt.people.mark_used(g.staff_session)
    return cast("Session | None", g.staff_session)


def _session_of(token: str) -> Session | None:
    at = service()
    if request.method in SAFE_METHODS:
        return at.read(lambda ledger: ledger.people.session(token))
    # What somebody filled in and sent is worth a wait.
    return at.ledger.people.session(token)


def known_session() -> Session | None:
    """Return the session if this request has looked it up already: an error page must not ask again."""
    return cast("Session | None", g.get("staff_session"))


def login_seed() -> str:
    """Return what binds the login form to this browser: its cookie, or a new one for this answer."""
    if "login_seed" not in g:
        held = request.cookies.get(cookie_name(LOGIN_COOKIE), "")
        g.login_seed = held if len(held) == 2 * SECRET_BYTES else secrets.token_hex(SECRET_BYTES)
    return cast("str", g.login_seed)


def login_token() -> str:
    """Write the token for the login form, bound to this browser's cookie."""
    return keys().digest("csrf login", login_seed())


def form_token() -> str:
    """Write the token for every other form, bound to the session; raises NotSignedIn.

    Behind it stands, sealed, whose form it is: what was typed is theirs, also when the session has ended.
    """
    session = current_session()
    if session is None:
        raise NotSignedIn
    if "form_token" not in g:
        owner = keys().seal("form owner", session.person.email.encode())
        g.form_token = keys().digest("csrf", session.digest) + owner
    return cast("str", g.form_token)


def form_owner() -> str | None:
    """Read whose page the form of this request was on, in whatever session; None for what is none of ours."""
    given = request.form.get(FORM_FIELD, "")
    held = keys().unseal("form owner", given[DIGEST_CHARS:]) if given.isascii() and is_from_our_page() else None
    return None if held is None else held.decode()


def refuse_forgery(token: Callable[[], str]) -> None:
    """Raise Forged unless an unsafe request comes from our own form, which carries the token."""
    if request.method in SAFE_METHODS:
        return
    given = request.form.get(FORM_FIELD, "").encode("utf-8", "surrogatepass")
    if not is_from_our_page() or not hmac.compare_digest(token().encode(), given):
        log.warning("staff_form_refused", extra={"endpoint": request.endpoint})
        raise Forged


def is_from_our_page() -> bool:
    """Check what browsers say about the page a form was on; programs that say nothing have the token only.

    A page that sends no referrer makes its own forms say `Origin: null` (Fetch, section 3.2): then
    Sec-Fetch-Site alone knows, and no page can write that header.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site not in {None, "same-origin", "none"}:
        return False
    said = request.headers.get("Origin")
    if said is None:
        return True
    if said == "null":
        return site == "same-origin"
    try:
        return read_origin(said) in _own_origins()
    except BadAddress:
        return False


def _own_origins() -> Iterator[Origin]:
    """Name the origins of our pages: where readers reach us, the other hosts we answer to, and the host asked for.

    The door let the request in for one of our hosts, at whatever port; what no browser can spell otherwise, the
    scheme, is ours from the settings. A host that is trusted without a port is meant where we are reached.
    """
    ours = service().base.site
    yield ours
    for host in service().hosts:
        yield read_origin(f"{ours.scheme}://{host if host.port else replace(host, port=ours.host.port)}")
    yield read_origin(f"{ours.scheme}://{request.host}")


def login_required(role: Role) -> Callable[[Callable[P, Answer]], Callable[P, Answer]]:
    """Let a view be seen only by people whose role covers this one; 403 for others."""

    def around(view: Callable[P, Answer]) -> Callable[P, Answer]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Answer:
            session = current_session()
            if session is None:
                raise NotSignedIn
            if not session.person.role.covers(role):
                # Named as in what is logged of sign-ins: that leads to nobody.
                account = attempt_buckets(session.person.email, service().clock().date())[0]
                log.warning("staff_role_refused", extra={"endpoint": request.endpoint, "account": account[:12]})
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return around


def signed_in() -> Session:
    """Return the session inside a view that asked for one."""
    session = current_session()
    assert session is not None, "the view lacks login_required"
    return session


def keep_login_seed(response: BaseResponse) -> None:
    """Send the cookie that the login form of this answer is bound to, if there is such a form."""
    if "login_seed" in g and request.cookies.get(cookie_name(LOGIN_COOKIE)) != g.login_seed:
        set_cookie(response, LOGIN_COOKIE, g.login_seed)


def next_path(text: str) -> str | None:
    """Return where to go after the login, if it is one of our own staff pages."""
    return text if _STAFF_PATH.fullmatch(text) else None


def attempt_buckets(email: str, today: date) -> tuple[str, str, str]:
    """Name the account, the place and its network of a login attempt; the address of the place is not kept.

    The key changes daily, so what stands in the database cannot be matched to an address later.
    """
    day, networks = today.isoformat(), networks_of(request.remote_addr or "")
    return (
        keys().digest("login account", day, address_key(email)),
        keys().digest("login place", day, networks.place),
        keys().digest("login network", day, networks.near),
    )


def keep_private(response: Response) -> Response:
    """Tell every cache and every search engine to forget staff answers, errors included."""
    if request.path == "/staff" or request.path.startswith("/staff/"):
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
