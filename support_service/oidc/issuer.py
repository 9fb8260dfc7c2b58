"""A provider of OpenID Connect asked: its discovery document, its keys, and whom a code stands for.

Loaded late, for it brings Authlib. Each answer is bounded in time and bytes, and no redirect is followed; nothing that
is raised holds what was sent or received.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from joserfc.jwk import KeySet

from support_service.ledger.issuer_accounts import IssuerAccount
from support_service.oidc.id_token import TokenAnswer, UnknownKey, read_account, read_keys
from support_service.oidc.provider import FlowSecrets, IssuerDown, IssuerLied, Provider
from support_service.origin import BadAddress, split_origin
from support_service.rails.chain.http import HttpAnswer, HttpConnection
from support_service.rails.source import SourceDown

DISCOVERY = "/.well-known/openid-configuration"
SCOPE = "openid email"
# Whoever signs in waits as long for all answers together, see web/card/checkouts.py.
READ_SECONDS_MAX, TOTAL_SECONDS_MAX = 5.0, 7.0
# Documents and keys of large providers are some twenty thousand bytes, a token two.
ANSWER_BYTES_MAX, BRACKETS_MAX = 256 * 1024, 2_000
# Endpoints move seldom; a key that is not known is asked for at once.
KEPT = timedelta(hours=1)
# Errors of a token endpoint (RFC 6749, 5.2). Any other word in their place is not ours to repeat.
TOKEN_ERRORS = frozenset(
    {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"}
)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a discovery document says that we need. names_itself: each way back says whose it is (RFC 9207)."""

    authorization: str
    token: str
    keys: str
    auth_method: str
    names_itself: bool
    read_at: datetime


class Issuer:
    """One provider, as long as the process lives. Used by several threads: each sets what it read as a whole."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._endpoints: Endpoints | None = None
        self._keys: KeySet | None = None

    def sign_in_address(self, asked: FlowSecrets, now: datetime) -> str:
        """Say where a person goes to sign in; raises IssuerDown and IssuerLied."""
        provider = self._provider
        client = OAuth2Client(
            None,
            client_id=provider.client_id,
            redirect_uri=provider.redirect_uri,
            scope=SCOPE,
            code_challenge_method="S256",
        )
        # At a desk that is shared the one who signed in last is not taken for the one who does now.
        address, _ = client.create_authorization_url(
            self._known(now).authorization,
            state=asked.state,
            code_verifier=asked.verifier,
            nonce=asked.nonce,
            prompt="select_account",
        )
        return str(address)

    def account(self, code: str, asked: FlowSecrets, now: datetime, *, named: str | None) -> IssuerAccount:
        """Give the code back and tell whose it is; named is the issuer as the way back said it.

        Raises IssuerDown, IssuerLied, and NotOurAccount.
        """
        endpoints = self._known(now)
        if named != self._provider.issuer and (named is not None or endpoints.names_itself):
            # Before the code goes anywhere: it may be another provider's, sent to us to be handed on (RFC 9207).
            raise IssuerLied("the way back is another provider's")
        answer = self._redeemed(code, asked, endpoints)
        if self._keys is not None:
            try:
                return read_account(answer, self._keys, self._provider, asked, now=now)
            except UnknownKey:
                pass  # keys change: those of now are asked for
        return read_account(answer, self._read_keys(endpoints), self._provider, asked, now=now)

    def look(self, now: datetime) -> None:
        """Read the discovery document and the keys anew; raises IssuerDown and IssuerLied."""
        self._endpoints = None
        self._read_keys(self._known(now))

    def _known(self, now: datetime) -> Endpoints:
        held = self._endpoints
        if held is not None and timedelta() <= now - held.read_at < KEPT:
            return held
        # One / alone may end the issuer (OpenID Connect Discovery, 4.1).
        told = _object(_got(f"{self._provider.issuer.removesuffix('/')}{DISCOVERY}"))
        self._endpoints, self._keys = _read_endpoints(told, self._provider, now), None
        return self._endpoints

    def _read_keys(self, endpoints: Endpoints) -> KeySet:
        self._keys = read_keys(_object(_got(endpoints.keys)))
        return self._keys

    def _redeemed(self, code: str, asked: FlowSecrets, endpoints: Endpoints) -> TokenAnswer:
        provider = self._provider
        body = prepare_token_request(
            "authorization_code", redirect_uri=provider.redirect_uri, code=code, code_verifier=asked.verifier
        )
        names = (provider.client_id, provider.client_secret)
        if endpoints.auth_method == "client_secret_basic":
            # Each is written as in a form before it is joined (RFC 6749, 2.3.1), which Authlib leaves to us.
            names = (quote_plus(names[0]), quote_plus(names[1]))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        prepare = ClientAuth(*names, auth_method=endpoints.auth_method).prepare
        url, headers, body = prepare("POST", endpoints.token, headers, body)
        answer = _sent(url, body.encode(), headers)
        told = _object(answer, also=(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED))
        if answer.status != HTTPStatus.OK:
            raise IssuerLied(f"the code is refused: {_known_error(told.get('error'))}")
        id_token, access_token = told.get("id_token"), told.get("access_token", "")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise IssuerLied("no ID token for the code")
        return TokenAnswer(id_token, access_token)


def _known_error(told: object) -> str:
    return told if isinstance(told, str) and told in TOKEN_ERRORS else "for no reason that we know"


def _read_endpoints(told: Mapping[str, object], provider: Provider, now: datetime) -> Endpoints:
    if told.get("issuer") != provider.issuer:
        raise IssuerLied("its discovery document calls it by another name than oidc.issuer")
    challenges = told.get("code_challenge_methods_supported")
    if isinstance(challenges, list) and "S256" not in challenges:
        raise IssuerLied("it binds no code to its browser (PKCE with S256)")
    offered = told.get("token_endpoint_auth_methods_supported")
    is_posted = isinstance(offered, list) and "client_secret_post" in offered
    is_here = not provider.issuer.startswith("https://")
    return Endpoints(
        authorization=_endpoint(told, "authorization_endpoint", is_here=is_here),
        token=_endpoint(told, "token_endpoint", is_here=is_here),
        keys=_endpoint(told, "jwks_uri", is_here=is_here),
        auth_method="client_secret_post" if is_posted else "client_secret_basic",
        names_itself=told.get("authorization_response_iss_parameter_supported") is True,
        read_at=now,
    )


def _endpoint(told: Mapping[str, object], name: str, *, is_here: bool) -> str:
    """Take an address that is https, or as the issuer itself on this machine."""
    url = told.get(name)
    try:
        origin, rest = split_origin(url if isinstance(url, str) else "")
    except BadAddress:
        raise IssuerLied(f"{name} is no address") from None
    is_safe = origin.scheme == "https" or (is_here and origin.host.is_loopback)
    if not is_safe or "#" in rest:
        raise IssuerLied(f"{name} is no https address")
    return str(url)


def _got(url: str) -> HttpAnswer:
    connection = _connection(url)
    try:
        return connection.get(url)
    except SourceDown as error:
        raise IssuerDown(str(error)) from None
    finally:
        connection.session.close()


def _sent(url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
    connection = _connection(url)
    try:
        return connection.post(url, body, headers, read_seconds=READ_SECONDS_MAX)
    except SourceDown as error:
        raise IssuerDown(str(error)) from None
    finally:
        connection.session.close()


def _connection(url: str) -> HttpConnection:
    return HttpConnection(url, bytes_max=ANSWER_BYTES_MAX, total_seconds=TOTAL_SECONDS_MAX)


def _object(answer: HttpAnswer, also: tuple[int, ...] = ()) -> Mapping[str, object]:
    """Read an answer's JSON object; any status but 200 and those of `also` is a provider that does not work now."""
    if answer.status not in (HTTPStatus.OK, *also):
        raise IssuerDown(f"HTTP {answer.status}")
    if answer.body.count(b"[") + answer.body.count(b"{") > BRACKETS_MAX:
        raise IssuerLied("an answer of another form than agreed")
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise IssuerLied("something that is not JSON") from None
    if not isinstance(told, dict):
        raise IssuerLied("an answer of another form than agreed")
    return told
