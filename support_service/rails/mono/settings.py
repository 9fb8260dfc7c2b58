"""[mono] of the settings, and the file with the merchant's token that it names."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from support_service.money import Asset
from support_service.origin import read_origin
from support_service.rails.mono.method import API_BASE, KEY, RAIL, checkout_origins
from support_service.rails.options import Mistake
from support_service.rails.processor import SWEEP_POLL_SECONDS
from support_service.rails.rail import Expected, OwnTables, RailSettings, Section, Table
from support_service.rails.text_file import Unreadable, read_text_file

SWEEP = f"{RAIL}:sweep"
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{16,256}", re.ASCII)


class MonoTable(Table):
    """[mono]: card payments through plata by mono; without it none are offered there."""

    token_file: Path | None = None
    api_base: str = API_BASE
    checkout_origins: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ("UAH",)


SECTIONS = (Section(KEY, MonoTable | None, secret_files=("token_file",)),)


@dataclass(frozen=True, slots=True)
class MonoAccount:
    """One merchant: payee is who is given to, hears_at where messages are to be sent."""

    payee: str
    api_base: str
    token: str = field(repr=False)
    hears_at: str
    assets: tuple[Asset, ...]
    checkout_origins: tuple[str, ...]


def read_own(own: OwnTables) -> MonoAccount | None:
    """Read the account and its token; a mistake repeats nothing of that. None without the table."""
    table = own.tables[KEY]
    if not isinstance(table, MonoTable):
        return None
    token = _token(own, table.token_file)
    if own.mistakes or not token:
        return None
    return MonoAccount(
        payee=own.publisher,
        api_base=str(read_origin(table.api_base)),
        token=token,
        hears_at=f"{own.url}/webhooks/{KEY}",
        assets=tuple(asset for asset in own.assets if not asset.network),
        checkout_origins=checkout_origins(table.api_base, table.checkout_origins),
    )


def own_account(given: RailSettings) -> MonoAccount:
    """Return what `read_own` read, where it found an account."""
    assert isinstance(given.own, MonoAccount)
    return given.own


def name_sources(given: RailSettings) -> tuple[Expected, ...]:
    """Name the sweep, where the settings have the table."""
    return () if given.own is None else (Expected(SWEEP, None, SWEEP_POLL_SECONDS),)


def _token(own: OwnTables, file: Path | None) -> str:
    why, token = "is missing; name the file that holds the merchant's token", ""
    if file is not None:
        try:
            token = read_text_file(own.base / file).strip()
        except Unreadable as error:
            why = str(error)
        else:
            why = "" if _TOKEN.fullmatch(token) else "must hold the token alone, on one line"
    if why:
        own.mistakes.append(Mistake(f"{KEY}.token_file", why))
    return "" if why else token
