"""[oidc] of the settings, what one sign-in is bound by, and what may go wrong; nothing here asks or loads who asks."""

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from support_service.origin import BaseUrl, origin_of
from support_service.rails.options import Mistake
from support_service.rails.processor import CheckoutSilent
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.settings.schema import OidcTable

GOOGLE = "https://accounts.google.com"
# Below publisher.url, and the same for ever: every provider lets staff come back to addresses alone that it was told.
BACK = "/staff/login/oidc/back"

_SECRET = re.compile(r"[!-~]{1,1000}", re.ASCII)


class IssuerDown(CheckoutSilent):
    """The provider did not answer, or not as one that works; the same call may work later."""


class IssuerLied(Exception):
    """The provider's answer does not fit what was asked: it must not be trusted. The text holds nothing of it."""


class NotOurAccount(Exception):
    """The provider vouches for somebody whom we do not take its word for; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider, and who we are to it. name is what staff call it, domains are those whose accounts may come in."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    name: str
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FlowSecrets:
    """What binds one sign-in: state and nonce (OpenID Connect Core, 3.1.2.1), the verifier of its code (RFC 7636)."""

    state: str
    nonce: str
    verifier: str = field(repr=False)

    @classmethod
    def draw(cls) -> "FlowSecrets":
        """Draw them anew, 256 bits each."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def read_provider(table: OidcTable | None, base: BaseUrl, folder: Path, mistakes: list[Mistake]) -> Provider | None:
    """Read the table and its secret, which no mistake repeats; paths count from the folder. None without the table."""
    if table is None:
        return None
    if base.site.scheme != "https" and not base.site.host.is_loopback:
        reason = "needs an https publisher.url: what the provider says of staff could be read on the way back"
        mistakes.append(Mistake("oidc", reason))
    try:
        secret = read_text_file(folder / table.client_secret_file).strip()
    except Unreadable as error:
        mistakes.append(Mistake("oidc.client_secret_file", str(error)))
        return None
    if not _SECRET.fullmatch(secret):
        mistakes.append(Mistake("oidc.client_secret_file", "must hold the client secret alone, on one line"))
        return None
    usual = "Google" if table.issuer == GOOGLE else origin_of(table.issuer).host.shown
    return Provider(
        issuer=table.issuer,
        client_id=table.client_id,
        client_secret=secret,
        redirect_uri=f"{base.url}{BACK}",
        name=table.name or usual,
        domains=frozenset(host.name for host in table.domains),
    )
