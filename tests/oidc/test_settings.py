"""[oidc] of the settings: what is right is read, what is wrong is told at once, and the secret is repeated nowhere."""

from pathlib import Path

import pytest

from support_service.assembly import Assembly, assemble
from support_service.settings import SettingsError
from tests.fixtures.http_servers import Reply
from tests.fixtures.oidc import provider_of
from tests.fixtures.service import SEED, Command, write_settings
from tests.fixtures.staff import FrozenClock

TABLE = '[oidc]\nissuer = "https://accounts.google.com"\nclient_id = "id"\nclient_secret_file = "oidc.secret"\n'
HTTPS = SEED.replace('url = "http://127.0.0.1:8000"', 'url = "https://support.example/donate"')
SECRET = "GOCSPX-SECRET"


def read(folder: Path, table: str, seed: str = HTTPS, secret: str = f"{SECRET}\n") -> Assembly:
    (folder / "oidc.secret").write_text(secret, encoding="utf-8")
    return assemble(write_settings(folder, f"{seed}\n{table}"))


def mistakes(folder: Path, table: str, seed: str = HTTPS, secret: str = f"{SECRET}\n") -> dict[str, str]:
    with pytest.raises(SettingsError) as told:
        read(folder, table, seed, secret)
    assert SECRET not in str(told.value)
    return {one.key: one.reason for one in told.value.mistakes}


def test_what_is_read_and_from_where_staff_come_back(tmp_path: Path) -> None:
    assert read(tmp_path, "").provider is None
    provider = read(tmp_path, TABLE + 'domains = ["Example.com", "новини.укр"]\n').provider
    assert provider is not None
    assert provider.redirect_uri == "https://support.example/donate/staff/login/oidc/back"
    assert provider.domains == {"example.com", "xn--b1amarcd.xn--j1amh"}
    assert (provider.name, provider.client_secret) == ("Google", SECRET)
    assert SECRET not in repr(provider)
    other = read(tmp_path, TABLE.replace("accounts.google.com", "id.example.org/realms/news")).provider
    assert other is not None and other.name == "id.example.org"
    named = read(tmp_path, TABLE + 'name = " Workspace "\n').provider
    assert named is not None and named.name == "Workspace"


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ("https://accounts.google.com", "http://accounts.google.com", "oidc.issuer"),
        ("https://accounts.google.com", "accounts.google.com", "oidc.issuer"),
        ("https://accounts.google.com", "https://accounts.google.com/?a=b", "oidc.issuer"),
        ("https://accounts.google.com", "https://user:SECRET@accounts.google.com", "oidc.issuer"),
        ('client_id = "id"', 'client_id = "i d"', "oidc.client_id"),
        ('client_id = "id"', 'client_id = ""', "oidc.client_id"),
        ('client_id = "id"\n', "", "oidc.client_id"),
        ('client_secret_file = "oidc.secret"', 'client_secret = "GOCSPX-SECRET"', "oidc.client_secret"),
        ("oidc.secret", "nowhere", "oidc.client_secret_file"),
        ('"id"\n', '"id"\ndomains = ["@example.com", "example.com:443"]\n', "oidc.domains"),
        ('"id"\n', '"id"\ndomains = "example.com"\n', "oidc.domains"),
        ('"id"\n', '"id"\nname = "two\\nlines"\n', "oidc.name"),
        ('"id"\n', '"id"\nprompt = "none"\n', "oidc.prompt"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, right: str, wrong: str, key: str) -> None:
    assert key in mistakes(tmp_path, TABLE.replace(right, wrong))


@pytest.mark.parametrize("secret", ["", "\n", "two\nlines\n", "a b", "ключ"])
def test_a_file_that_holds_no_secret_is_told(tmp_path: Path, secret: str) -> None:
    assert mistakes(tmp_path, TABLE, secret=secret)["oidc.client_secret_file"].startswith("must hold the client secret")


def test_without_https_nobody_comes_back(tmp_path: Path) -> None:
    seed = HTTPS.replace("https://support.example", "http://support.example")
    assert "needs an https publisher.url" in mistakes(tmp_path, TABLE, seed)["oidc"]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    table = TABLE.replace("https://accounts", "http://accounts").replace('"id"', '"i d"') + 'name = "\\u0000"\n'
    seed = HTTPS.replace("5169335101647408", "5169335101647409")
    assert set(mistakes(tmp_path, table, seed)) == {
        *("oidc.issuer", "oidc.client_id", "oidc.name", "methods.card.number")
    }


def test_a_variable_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").write_text(SECRET, encoding="utf-8")
    monkeypatch.setenv("SUPPORT__OIDC__CLIENT_SECRET_FILE", str(tmp_path / "elsewhere"))
    provider = read(tmp_path, TABLE.replace('client_secret_file = "oidc.secret"\n', ""), secret="").provider
    assert provider is not None and provider.client_secret == SECRET


def test_check_says_what_the_provider_must_be_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "oidc.secret").write_text(SECRET, encoding="utf-8")
    (tmp_path / "oidc.secret").chmod(0o644)
    file = write_settings(tmp_path, HTTPS + TABLE)
    told = command("--config", file, "check")
    assert told.exit_code == 0
    assert "https://accounts.google.com\tany domain\tcomes back to https://support.example/donate/staff" in told.stdout
    assert "oidc.client_secret_file: warning" in told.stderr and SECRET not in told.output


def test_check_online_asks_the_provider_who_it_is(command: Command, tmp_path: Path) -> None:
    with provider_of(tmp_path, FrozenClock()) as provider:
        file = write_settings(tmp_path, SEED + provider.table)
        told = command("--config", file, "check", "--online")
        assert f"oidc: {provider.issuer} is who it says" in told.stdout
        assert provider.asked.keys() == {"/.well-known/openid-configuration", "/keys"}
        provider.answers["/keys"] = lambda: Reply.of({"keys": []})
        told = command("--config", file, "check", "--online")
        assert told.exit_code == 1 and "oidc.issuer: no key that we can use" in told.stderr
        provider.answers = {"/.well-known/openid-configuration": lambda: Reply(None)}
        assert "oidc.issuer: 127.0.0.1" in command("--config", file, "check", "--online").stderr
        assert "oidc.issuer: is not https" in command("--config", file, "check", "--deploy").stderr
