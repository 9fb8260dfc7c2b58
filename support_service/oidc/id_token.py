"""An ID token held against what was asked, by Authlib: whose signature, for whom, when, and for which account. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet, import_key
from joserfc.jws import JWSRegistry

from support_service.ledger.accounts import EMAIL_CHARS_MAX
from support_service.ledger.issuer_accounts import IssuerAccount
from support_service.oidc.provider import GOOGLE, FlowSecrets, IssuerLied, NotOurAccount, Provider
from support_service.origin import BadAddress, read_host

# What providers sign with. "none" says nothing, and for HS256 the key that everybody may read would be the secret.
ALGORITHMS = ("RS256", "ES256")
KEY_KINDS = ("RSA", "EC")
# Clocks differ by seconds; a token comes straight from the provider, so that an old one is somebody else's.
LEEWAY_SECONDS, AGE_SECONDS_MAX = 60, 600
SUBJECT_CHARS_MAX = 255  # OpenID Connect Core, section 2
KEYS_MAX = 100
# What a provider sends may be any JSON, and any bytes in it.
MALFORMED = (JoseError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)


class UnknownKey(IssuerLied):
    """No key of this name is known: the provider may have taken new ones."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the provider gave for a code; access_token is used for nothing but its digest in the ID token."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False, default="")


def read_keys(told: object) -> KeySet:
    """Read the provider's public keys; what we cannot use is left out. Raises IssuerLied where none is left."""
    listed = told.get("keys") if isinstance(told, dict) else None
    found = [_key(one) for one in listed[:KEYS_MAX]] if isinstance(listed, list) else []
    keys = [key for key in found if key is not None]
    if not keys:
        raise IssuerLied("no key that we can use")
    return KeySet(keys)


def _key(told: object) -> Key | None:
    if not isinstance(told, dict) or told.get("kty") not in KEY_KINDS or told.get("use") not in {None, "sig"}:
        return None
    try:
        return import_key(told) if isinstance(told.get("kid"), str) else None
    except MALFORMED:
        return None


def read_account(
    answer: TokenAnswer, keys: KeySet, provider: Provider, asked: FlowSecrets, *, now: datetime
) -> IssuerAccount:
    """Tell whose the token is (OpenID Connect Core, 3.1.3.7).

    Raises UnknownKey, IssuerLied, and NotOurAccount where all is right and the account still is none of ours.
    """
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        token = jwt.decode(answer.id_token, keys, registry=registry)
    except InvalidKeyIdError:
        raise UnknownKey("it is signed by a key that is not listed") from None
    except MALFORMED as error:
        raise IssuerLied(f"no token, or a wrong signature ({type(error).__name__})") from None
    options = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"essential": True}}
    asked_for = {"nonce": asked.nonce, "client_id": provider.client_id, "access_token": answer.access_token}
    claims, second = CodeIDToken(token.claims, token.header, options, asked_for), int(now.timestamp())
    try:
        claims.validate(now=second, leeway=LEEWAY_SECONDS)
        is_fresh = second - claims["iat"] <= AGE_SECONDS_MAX
    except MALFORMED as error:
        claim = getattr(error, "claim", "")
        raise IssuerLied(f"a claim does not hold ({type(error).__name__} {claim})") from None
    if not is_fresh:
        raise IssuerLied("the token is old")
    # One that is meant for others, too, might be handed on by them.
    if claims["aud"] not in (provider.client_id, [provider.client_id]):
        raise IssuerLied("the token is not for us alone")
    return _vouched_for(claims, provider)


def _vouched_for(claims: dict[str, object], provider: Provider) -> IssuerAccount:
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
        raise IssuerLied("no subject")
    if not isinstance(email, str) or not 0 < len(email) <= EMAIL_CHARS_MAX or claims.get("email_verified") is not True:
        raise NotOurAccount("its e-mail is not verified")
    home = _home(claims, email, provider)
    if not home or (provider.domains and home not in provider.domains):
        raise NotOurAccount("it is of another domain")
    return IssuerAccount(provider.issuer, subject, email)


def _home(claims: dict[str, object], email: str, provider: Provider) -> str:
    """Name the domain that the provider speaks for; "" where it speaks for none.

    Anybody may have a Google account under an e-mail address of any site, and keep it when the address goes to
    somebody else: Google answers for its own and for its Workspaces' addresses alone, whose domain it tells as `hd`.
    """
    told = claims.get("hd") if provider.issuer == GOOGLE else email.rpartition("@")[2]
    if told is None and email.lower().endswith("@gmail.com"):
        return "gmail.com"
    try:
        return read_host(told).name if isinstance(told, str) else ""
    except BadAddress:
        return ""
