"""Whom a token stands for where all else is right: the account's domain, and for whom Google may speak."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest

from support_service.oidc.id_token import (
    AGE_SECONDS_MAX,
    LEEWAY_SECONDS,
    TokenAnswer,
    UnknownKey,
    read_account,
    read_keys,
)
from support_service.oidc.provider import GOOGLE, FlowSecrets, IssuerLied, NotOurAccount, Provider
from tests.fixtures.oidc import SigningKey
from tests.fixtures.staff import NOON

KEY = SigningKey("only")
ASKED = FlowSecrets("state", "nonce", "verifier")
ELSEWHERE = "https://id.example.org"


def provider(issuer: str = GOOGLE, *domains: str) -> Provider:
    return Provider(issuer, "us", "secret", "https://support.example/back", "ID", frozenset(domains))


def token(claims: dict[str, object] | None = None, key: SigningKey = KEY) -> TokenAnswer:
    now = int(NOON.timestamp())
    true: dict[str, object] = {"iss": GOOGLE, "sub": "1", "aud": "us", "iat": now, "exp": now + 60, "nonce": "nonce"}
    told = {**true, "email": "anna@example.com", "email_verified": True, "hd": "example.com"}
    told = {name: value for name, value in {**told, **(claims or {})}.items() if value is not None}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": key.alg, "kid": key.kid}, told))
    return TokenAnswer(f"{text}.{encoded(key.sign(text.encode()))}")


def encoded(held: bytes) -> str:
    return urlsafe_b64encode(held).decode().rstrip("=")


@pytest.mark.parametrize(
    ("at", "claims", "is_taken"),
    [
        (provider(GOOGLE), {"hd": "example.com"}, True),
        (provider(GOOGLE), {"email": "anna@gmail.com"}, True),
        # Anybody may have such an account, and keep it when the address is somebody else's.
        (provider(GOOGLE), {}, False),
        (provider(GOOGLE, "example.com"), {}, False),
        (provider(GOOGLE, "example.com"), {"hd": "Example.COM"}, True),
        (provider(GOOGLE, "example.com"), {"hd": "other.example"}, False),
        (provider(GOOGLE, "example.com"), {"hd": "other.example", "email": "anna@example.com"}, False),
        (provider(GOOGLE, "example.com"), {"email": "anna@gmail.com"}, False),
        (provider(GOOGLE, "example.com"), {"hd": ["example.com"]}, False),
        (provider(GOOGLE, "example.com"), {"hd": "example.com/"}, False),
        # A second domain of the same Workspace.
        (provider(GOOGLE, "example.com"), {"hd": "example.com", "email": "anna@news.example"}, True),
        (provider(ELSEWHERE), {"iss": ELSEWHERE}, True),
        (provider(ELSEWHERE, "example.com"), {"iss": ELSEWHERE}, True),
        (provider(ELSEWHERE, "example.com"), {"iss": ELSEWHERE, "email": "anna@sub.example.com"}, False),
        (provider(ELSEWHERE, "example.com"), {"iss": ELSEWHERE, "email": "a@evil.org", "hd": "example.com"}, False),
        (provider(ELSEWHERE, "xn--b1amarcd.xn--j1amh"), {"iss": ELSEWHERE, "email": "a@новини.укр"}, True),
    ],
)
def test_the_provider_speaks_for_the_accounts_of_its_domains_alone(
    at: Provider, claims: dict[str, object], *, is_taken: bool
) -> None:
    keys = read_keys({"keys": [KEY.public]})
    if is_taken:
        assert read_account(token({"hd": None, **claims}), keys, at, ASKED, now=NOON).subject == "1"
        return
    with pytest.raises(NotOurAccount):
        read_account(token({"hd": None, **claims}), keys, at, ASKED, now=NOON)


@pytest.mark.parametrize(
    ("seconds", "is_taken"),
    [
        (59, True),
        (60 + LEEWAY_SECONDS - 1, True),
        (60 + LEEWAY_SECONDS, False),
        (-LEEWAY_SECONDS, True),
        (-LEEWAY_SECONDS - 1, False),
    ],
)
def test_clocks_differ_by_a_minute_at_most(seconds: int, *, is_taken: bool) -> None:
    keys, now = read_keys({"keys": [KEY.public]}), NOON + timedelta(seconds=seconds)
    if is_taken:
        read_account(token(), keys, provider(), ASKED, now=now)
        return
    with pytest.raises(IssuerLied):
        read_account(token(), keys, provider(), ASKED, now=now)


def test_a_token_that_lives_for_a_year_is_taken_for_minutes() -> None:
    keys, long = read_keys({"keys": [KEY.public]}), token({"exp": int(NOON.timestamp()) + 31_536_000})
    read_account(long, keys, provider(), ASKED, now=NOON + timedelta(seconds=AGE_SECONDS_MAX))
    with pytest.raises(IssuerLied, match="old"):
        read_account(long, keys, provider(), ASKED, now=NOON + timedelta(seconds=AGE_SECONDS_MAX + 1))


NO_KEYS: dict[str, object] = {
    "nothing": None,
    "a list": [],
    "no list": {},
    "another thing than a list": {"keys": {}},
    "no objects": {"keys": ["x", None, 5]},
    "for secrets": {"keys": [{**KEY.public, "use": "enc"}]},
    "without a name": {"keys": [{**KEY.public, "kid": None}]},
    "no point of the curve": {"keys": [{**KEY.public, "x": "AAAA"}]},
    "one that is secret": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "only"}]},
}


@pytest.mark.parametrize("what", NO_KEYS)
def test_what_is_no_key_for_signatures_is_left_out(what: str) -> None:
    told = NO_KEYS[what]
    with pytest.raises(IssuerLied):
        read_keys(told)
    kept = (
        [*told["keys"], KEY.public] if isinstance(told, dict) and isinstance(told.get("keys"), list) else [KEY.public]
    )
    read_account(token(), read_keys({"keys": kept}), provider(), ASKED, now=NOON)


def test_a_key_that_is_not_known_is_told_apart_from_a_lie() -> None:
    keys = read_keys({"keys": [KEY.public]})
    with pytest.raises(UnknownKey):
        read_account(token(key=SigningKey("another")), keys, provider(), ASKED, now=NOON)
    with pytest.raises(IssuerLied, match="BadSignature"):
        read_account(token(key=SigningKey("only")), keys, provider(), ASKED, now=NOON)
