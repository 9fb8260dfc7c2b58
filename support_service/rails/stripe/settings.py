"""[stripe] of the settings, and the two files with secrets that it names."""

import re
from pathlib import Path

from pydantic import Field

from support_service.origin import read_origin
from support_service.rails.options import Mistake
from support_service.rails.processor import SWEEP_POLL_SECONDS, ProcessorAccount
from support_service.rails.rail import Expected, OwnTables, RailSettings, Section, Table
from support_service.rails.stripe.events import SWEEP
from support_service.rails.stripe.method import API_BASE, KEY, checkout_origins
from support_service.rails.text_file import Unreadable, read_text_file

_SECRET_KEY = re.compile(r"(?:sk|rk)_(?:test|live)_[A-Za-z0-9_]+", re.ASCII)
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]+", re.ASCII)


class OfferTable(Table):
    """One [stripe.offers.CODE] table: what the card form offers in a currency; amounts in whole units, as text."""

    once: tuple[str, ...] | None = None
    monthly: tuple[str, ...] | None = None
    yearly: tuple[str, ...] | None = None
    minimum: str = ""
    maximum: str = ""
    fee: str = ""


class StripeTable(Table):
    """[stripe]: card payments through Stripe; without it none are offered."""

    secret_key_file: Path | None = None
    webhook_secret_file: Path | None = None
    api_base: str = API_BASE
    checkout_origins: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ("EUR", "USD", "UAH")
    offers: dict[str, OfferTable] = Field(default_factory=dict)


SECTIONS = (Section(KEY, StripeTable | None, secret_files=("secret_key_file", "webhook_secret_file")),)


def read_own(own: OwnTables) -> ProcessorAccount | None:
    """Read the account and its two files; a mistake repeats nothing of what they hold. None without the table."""
    table = own.tables[KEY]
    if not isinstance(table, StripeTable):
        return None
    files = _SecretFiles(own)
    keys = files.lines("secret_key_file", table.secret_key_file)
    webhook = files.lines("webhook_secret_file", table.webhook_secret_file)
    if keys and (len(keys) > 1 or not _SECRET_KEY.fullmatch(keys[0])):
        files.refuse("secret_key_file", _why_not("one secret key, which begins with sk_ or rk_", keys))
        return None
    if webhook and not all(_WEBHOOK_SECRET.fullmatch(line) for line in webhook):
        files.refuse("webhook_secret_file", _why_not("lines that begin with whsec_", webhook))
        return None
    if own.mistakes or not keys or not webhook:
        return None
    return ProcessorAccount(
        payee=own.publisher,
        api_base=str(read_origin(table.api_base)),
        key=keys[0],
        webhook_secrets=tuple(webhook),
        assets=tuple(asset for asset in own.assets if not asset.network),
        checkout_origins=checkout_origins(table.api_base, table.checkout_origins),
    )


def own_account(given: RailSettings) -> ProcessorAccount:
    """Return what `read_own` read, where it found an account."""
    assert isinstance(given.own, ProcessorAccount)
    return given.own


def name_sources(given: RailSettings) -> tuple[Expected, ...]:
    """Name the sweep, where the settings have the table."""
    return () if given.own is None else (Expected(SWEEP, None, SWEEP_POLL_SECONDS),)


class _SecretFiles:
    """Reads files that the table names, relative to the settings file."""

    def __init__(self, own: OwnTables) -> None:
        self._base, self._mistakes = own.base, own.mistakes

    def lines(self, name: str, file: Path | None) -> list[str]:
        if file is None:
            self.refuse(name, "is missing; name the file that holds it")
            return []
        try:
            lines = read_text_file(self._base / file).split()
        except Unreadable as error:
            self.refuse(name, str(error))
            return []
        if not lines:
            self.refuse(name, "names an empty file")
        return lines

    def refuse(self, name: str, reason: str) -> None:
        self._mistakes.append(Mistake(f"{KEY}.{name}", reason))


def _why_not(wanted: str, lines: list[str]) -> str:
    """Say what a file must hold, and where signs that nobody sees are why it does not; nothing of it is repeated."""
    is_hidden = not all(line.isascii() and line.isprintable() for line in lines)
    return f"must hold {wanted}" + ("; it holds signs that no key has, perhaps unseen ones" if is_hidden else "")
