"""[mono] of the settings: what is offered, and every mistake named without a word of the token."""

from pathlib import Path

import pytest

from support_service.assembly import assemble
from support_service.giving import Frequency
from support_service.rails.mono.settings import MonoAccount
from support_service.settings import SettingsError
from tests.fixtures.service import SEED, write_settings

TOKEN = "uAbCdEfGhIjKlMnOpQrStUvWxYz"


def mistakes(folder: Path, table: str, token: str | None = TOKEN) -> dict[str, str]:
    if token is not None:
        (folder / "token").write_text(token, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        assemble(write_settings(folder, f"{SEED}\n[mono]\n{table}"))
    assert TOKEN not in str(raised.value)
    return {one.key: one.reason for one in raised.value.mistakes}


def test_hryvnias_are_offered_once_and_monthly_unless_the_settings_name_more(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    table = '\n[mono]\ntoken_file = "token"\n'
    assembly = assemble(write_settings(tmp_path, SEED + table))
    (method,) = [one for one in assembly.methods if one.card is not None]
    assert method.card is not None
    assert (method.key, method.rail, method.card.processor) == ("mono", "mono", "plata by mono")
    (hryvnia,) = method.card.currencies
    assert [frequency for frequency, _ in hryvnia.presets] == [Frequency.ONCE, Frequency.MONTHLY]
    account = assembly.own["mono"]
    assert isinstance(account, MonoAccount)
    assert (account.token, account.hears_at) == (TOKEN, "http://127.0.0.1:8000/webhooks/mono")
    assert TOKEN not in repr(account)
    more = assemble(write_settings(tmp_path, f'{SEED}{table}currencies = ["UAH", "EUR", "USD"]\n'))
    (card,) = [one.card for one in more.methods if one.card is not None]
    assert [one.asset.code for one in card.currencies] == ["UAH", "EUR", "USD"]


@pytest.mark.parametrize(
    ("table", "key", "reason"),
    [
        ("", "mono.token_file", "is missing"),
        ('token_file = "nowhere"', "mono.token_file", "cannot be read"),
        ('token_file = "token"\ncurrencies = []', "mono.currencies", "is empty"),
        ('token_file = "token"\ncurrencies = ["PLN"]', "mono.currencies", "none that plata charges"),
        ('token_file = "token"\ncurrencies = ["UAH", "UAH"]', "mono.currencies", "twice"),
        ('token_file = "token"\napi_base = "http://example.com"', "mono.api_base", "not https"),
        ('token_file = "token"\ncheckout_origins = ["ftp://x"]', "mono.checkout_origins", "origin"),
        ('token_file = "token"\ncolour = "red"', "mono.colour", ""),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, table: str, key: str, reason: str) -> None:
    found = mistakes(tmp_path, table)
    assert reason in found[key]


@pytest.mark.parametrize("token", ["", "two words of one", "short", "line\nline-of-sixteen-signs"])
def test_a_token_must_stand_alone(tmp_path: Path, token: str) -> None:
    assert set(mistakes(tmp_path, 'token_file = "token"', token)) == {"mono.token_file"}


def test_whoever_takes_cards_names_a_contact(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    text = SEED.replace("contact = ", "# contact = ") + '\n[mono]\ntoken_file = "token"\n'
    with pytest.raises(SettingsError, match=r"publisher\.contact"):
        assemble(write_settings(tmp_path, text))
