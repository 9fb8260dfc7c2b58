"""Settings: everything wrong is told at once, nothing secret is told at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.assembly import Assembly, assemble, unwatched_networks
from support_service.ledger import Ledger
from support_service.rails.processor import ProcessorAccount
from support_service.settings import SettingsError, settings_path
from support_service.settings.accent import (
    CONTRAST_MIN,
    DARK_GROUND,
    LIGHT_GROUND,
    contrast,
    dark_shades,
    light_shades,
    read_accent,
)
from tests.fixtures.service import SEED, write_settings

WRONG_CHECKSUMS = {
    "methods.card.number": ("5169335101647408", "5169335101647409"),
    "methods.iban.iban": ("UA043052990000026007015028783", "UA053052990000026007015028783"),
    "methods.eth.address": ("0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2", "0x6Db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"),
    "methods.btc.address": ("bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd", "bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwse"),
    "methods.usdt.address": ("TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6W"),
}


def mistakes(folder: Path, text: str) -> dict[str, str]:
    """Return what is wrong with these settings, by key."""
    file = write_settings(folder, text)
    with pytest.raises(SettingsError) as raised:
        assemble(file)
    assert raised.value.lines == [f"{file}: {one.key}: {one.reason}" for one in raised.value.mistakes]
    return {one.key: one.reason for one in raised.value.mistakes}


def assembled(folder: Path, text: str) -> Assembly:
    return assemble(write_settings(folder, text))


def test_the_first_users_block_is_right(settings_file: Path) -> None:
    assembly = assemble(settings_file)
    assert [method.key for method in assembly.methods] == ["card", "iban", "eth", "btc", "usdt"]
    assert assembly.settings.publisher.name == "Militarnyi"
    assert set(unwatched_networks(assembly)) >= {"ethereum", "tron"}


@pytest.mark.parametrize("key", WRONG_CHECKSUMS)
def test_a_wrong_checksum_is_refused(tmp_path: Path, key: str) -> None:
    right, wrong = WRONG_CHECKSUMS[key]
    assert set(mistakes(tmp_path, SEED.replace(right, wrong))) == {key}


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = SEED.replace('languages = ["uk", "en"]', 'languages = ["xx"]')
    for right, wrong in WRONG_CHECKSUMS.values():
        text = text.replace(right, wrong)
    text = text.replace("[publisher]", "[publisher]\ncolour = 'red'")
    text += "\n[networks.nowhere]\nrail = 'pigeon'\n[shop]\n[[assets]]\ncode = 'USDT'\n[web]\nproxy_hops = -1\n"
    others = {"publisher.colour", "publisher.languages", "networks.nowhere.rail", "shop", "web.proxy_hops"}
    assert set(mistakes(tmp_path, text)) == {*WRONG_CHECKSUMS, *others, "assets.0.exponent"}


@pytest.mark.parametrize(
    "text",
    [
        "publisher = 1",
        "methods = 1",
        "methods = [1]",
        "assets = 'x'",
        "networks = []",
        "[networks]\nethereum = 1",
        "[publisher]\nname = 1\n[database]\nurl = []\n[web]\nsecret_file = {}",
        "[[publisher]]\nname = 'a'",
        "[[methods]]\n[[methods]]\nkey = 1\nrail = 1\n[[methods]]\nkey = 'a'\nrail = 'evm'",
        "[[assets]]\ncode = ''\nexponent = true",
    ],
)
def test_a_wrong_shape_is_told_in_words(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SEED.replace("[publisher]", "[publisher]\ncolour = 'red'"), "publisher.colour"),
        (SEED.replace('bank = "PrivatBank"', 'bank = "PrivatBank"\ncolour = "red"'), "methods.card.colour"),
        (SEED.replace("chain_id = 1\n", "chain_id = 1\ncolour = 'red'\n"), "networks.ethereum.colour"),
        (SEED + "\n[shop]\nopen = true\n", "shop"),
    ],
)
def test_an_unknown_key_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert set(mistakes(tmp_path, text)) == {key}


def test_two_methods_with_one_key_are_refused(tmp_path: Path) -> None:
    assert "methods.btc.key" in mistakes(tmp_path, SEED.replace('key = "eth"', 'key = "btc"'))


@pytest.mark.parametrize("key", ["", "a b", "ключ", "x" * 41, "a/b"])
def test_a_key_that_cannot_stand_in_a_url_is_refused(tmp_path: Path, key: str) -> None:
    found = mistakes(tmp_path, SEED.replace('key = "card"', f'key = "{key}"'))
    assert any(name.endswith(".key") for name in found)


def test_a_network_nobody_defined_is_refused(tmp_path: Path) -> None:
    text = SEED.replace('network = "ethereum"', 'network = "ethereal"')
    assert set(mistakes(tmp_path, text)) == {"methods.eth.network"}


def test_one_money_may_not_have_two_methods(tmp_path: Path) -> None:
    second = SEED[SEED.index('[[methods]]\nkey = "eth"') : SEED.index('[[methods]]\nkey = "btc"')]
    text = SEED + "\n" + second.replace('"eth"', '"eth2"')
    found = mistakes(tmp_path, text)
    assert set(found) == {"methods.eth2"}
    assert "'eth'" in found["methods.eth2"]


@pytest.mark.parametrize("text", ["", "[publisher", "\x00", 'publisher = "me"'])
def test_a_file_that_is_none_is_told_in_words(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"does not exist; copy config/support\.example\.toml"):
        assemble(tmp_path / "none.toml")


@pytest.mark.parametrize("site", ["http://example.com", "https://example.com/news", "example.com", "https://a@b.c"])
def test_only_an_https_origin_may_embed_us(tmp_path: Path, site: str) -> None:
    assert set(mistakes(tmp_path, SEED.replace("sites = []", f'sites = ["{site}"]'))) == {"publisher.sites"}


CYRILLIC = SEED.replace('url = "http://127.0.0.1:8000"', 'url = "https://Підтримка.укр:443/Донат/"')


def test_addresses_are_values_whatever_their_spelling(tmp_path: Path) -> None:
    text = CYRILLIC.replace("sites = []", 'sites = ["https://НОВИНИ.укр.", "https://example.com:443/"]')
    settings = assembled(tmp_path, text + '\n[web]\ntrusted_hosts = ["Inner.Example:8000", "[0::1]"]\n').settings
    base = settings.publisher.base
    assert base.origin == "https://xn--80ahmijpip2p.xn--j1amh"
    assert base.prefix == "/%D0%94%D0%BE%D0%BD%D0%B0%D1%82"
    assert [str(site) for site in settings.publisher.sites] == ["https://xn--b1amarcd.xn--j1amh", "https://example.com"]
    assert [(host.name, host.port) for host in settings.web.trusted_hosts] == [("inner.example", 8000), ("[::1]", None)]


@pytest.mark.parametrize(
    "host",
    ["https://example.com", "*", "*.example.com", ".example.com", "exa mple.com", "a_b.example", "::1", "", "a/b"],
)
def test_a_trusted_host_that_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    found = mistakes(tmp_path, SEED + f'\n[web]\ntrusted_hosts = ["right.example", "{host}"]\n')
    assert set(found) == {"web.trusted_hosts"}
    assert repr(host) in found["web.trusted_hosts"]
    assert "right.example" not in found["web.trusted_hosts"]


@pytest.mark.parametrize(
    "site",
    ["https://*.example.com", "https://exa mple.com", "*", "https://[2001:db8::1]", "null", "https://example.com?", ""],
)
def test_a_site_that_no_browser_would_understand_is_refused(tmp_path: Path, site: str) -> None:
    assert set(mistakes(tmp_path, SEED.replace("sites = []", f'sites = ["{site}"]'))) == {"publisher.sites"}


@pytest.mark.parametrize(
    "url",
    [
        "https://support.example.com/a b",
        "https://a_b.example",
        "example.com",
        "https://example.com/?a",
        "https://u:p@a.b",
    ],
)
def test_a_publishers_address_that_reaches_nobody_is_refused(tmp_path: Path, url: str) -> None:
    text = SEED.replace('url = "http://127.0.0.1:8000"', f'url = "{url}"')
    assert set(mistakes(tmp_path, text)) == {"publisher.url"}


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Client Address", "", "Адреса", "a:b"])
def test_a_header_that_has_a_second_spelling_or_is_none_is_refused(tmp_path: Path, name: str) -> None:
    found = mistakes(tmp_path, SEED + f'\n[web]\nclient_address_header = "{name}"\n')
    assert set(found) == {"web.client_address_header"}


@pytest.mark.parametrize("languages", ['["uk", "uk"]', "[]", '["uk", "pl"]'])
def test_languages_are_ours_and_each_stands_once(tmp_path: Path, languages: str) -> None:
    text = SEED.replace('languages = ["uk", "en"]', f"languages = {languages}")
    assert set(mistakes(tmp_path, text)) == {"publisher.languages"}


def test_relative_paths_count_from_the_settings_file(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    settings = assemble(settings_file).settings
    assert settings.database_url == f"sqlite:///{settings_file.parent}/support.db"
    assert settings.web.secret_file == settings_file.parent / "web.secret"


def test_the_publishers_assets_override_ours(tmp_path: Path) -> None:
    contract = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    own = f'\n[[assets]]\ncode = "USDT"\nnetwork = "ethereum"\ncontract = "{contract}"\nexponent = 9\n'
    assembly = assembled(tmp_path, SEED + own)
    usdt = [watch.asset for watch in assembly.watches if watch.network == "ethereum" and watch.asset.code == "USDT"]
    assert [(asset.contract, asset.exponent) for asset in usdt] == [(contract, 9)]


def test_the_environment_comes_before_the_file(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__DATABASE__URL", "sqlite:////tmp/elsewhere.db")
    monkeypatch.setenv("SUPPORT__PUBLISHER__NAME", "Another")
    monkeypatch.setenv("SUPPORT__WEB__PROXY_HOPS", "2")
    settings = assemble(settings_file).settings
    assert settings.database_url == "sqlite:////tmp/elsewhere.db"
    assert settings.publisher.name == "Another"
    assert settings.web.proxy_hops == 2


def test_a_node_can_come_from_the_environment(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__NETWORKS__ETHEREUM__RPC", '["http://127.0.0.1:8545"]')
    assembly = assemble(settings_file)
    assert assembly.settings.networks["ethereum"]["rpc"] == ["http://127.0.0.1:8545"]
    assert assembly.settings.networks["ethereum"]["chain_id"] == 1
    assert "ethereum" not in unwatched_networks(assembly)


@pytest.mark.parametrize("text", ["http://127.0.0.1:8545", '["http://127.0.0.1:8545"]'])
def test_one_node_may_stand_alone_in_a_variable(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SUPPORT__NETWORKS__ETHEREUM__RPC", text)
    monkeypatch.setenv("SUPPORT__NETWORKS__ETHEREUM__CHAIN_ID", "31337")
    monkeypatch.setenv("SUPPORT__NETWORKS__ETHEREUM__CONFIRM", "finalized")
    network = assemble(settings_file).settings.networks["ethereum"]
    assert (network["rpc"], network["chain_id"]) == (["http://127.0.0.1:8545"], 31337)


def test_a_variable_may_name_a_secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node").write_text("http://127.0.0.1:8545/key")
    (tmp_path / "db").write_text("sqlite:////tmp/elsewhere.db")
    monkeypatch.setenv("SUPPORT__NETWORKS__ETHEREUM__RPC_FILE", str(tmp_path / "node"))
    monkeypatch.setenv("SUPPORT__DATABASE__URL_FILE", "db")
    settings = assembled(tmp_path, SEED).settings
    assert settings.networks["ethereum"]["rpc"] == ["http://127.0.0.1:8545/key"]
    assert settings.database_url == "sqlite:////tmp/elsewhere.db"


def test_a_variable_comes_before_a_secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__DATABASE__URL", "sqlite:////tmp/elsewhere.db")
    text = SEED.replace('url = "sqlite:///support.db"', 'url_file = "none.url"')
    assert assembled(tmp_path, text).settings.database_url == "sqlite:////tmp/elsewhere.db"


def test_a_list_in_a_variable_is_json(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__PUBLISHER__LANGUAGES", '["en"]')
    assert assemble(settings_file).settings.publisher.languages == ("en",)
    monkeypatch.setenv("SUPPORT__PUBLISHER__LANGUAGES", "en,uk")
    with pytest.raises(SettingsError, match="environment"):
        assemble(settings_file)


def test_an_unknown_variable_of_ours_is_named(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__DATABSE__URL", "sqlite:///a.db")
    with pytest.raises(SettingsError, match="SUPPORT__DATABSE__URL"):
        assemble(settings_file)


def test_an_unknown_key_in_a_variable_is_named(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT__DATABASE__ULR", "sqlite:///a.db")
    with pytest.raises(SettingsError, match=r"database\.ulr"):
        assemble(settings_file)


def test_secrets_are_read_from_files_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "database.url").write_text("postgresql+psycopg://support:hunter2@127.0.0.1/support\n")
    (tmp_path / "nodes").write_text("http://127.0.0.1:8545/key\nhttp://127.0.0.1:8546/key\n")
    text = SEED.replace('url = "sqlite:///support.db"', 'url_file = "database.url"')
    text = text.replace("chain_id = 1\n", 'chain_id = 1\nrpc_file = "nodes"\n')
    settings = assembled(tmp_path, text).settings
    assert settings.database_url == "postgresql+psycopg://support:hunter2@127.0.0.1/support"
    assert settings.networks["ethereum"]["rpc"] == ["http://127.0.0.1:8545/key", "http://127.0.0.1:8546/key"]


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = SEED.replace('url = "sqlite:///support.db"', 'url_file = "none.url"')
    assert set(mistakes(tmp_path, text)) == {"database.url_file"}


@pytest.mark.parametrize(
    "line",
    [
        'rpc = "https://rpc.example.com/v3/HUNTER2"',
        "rpc = [17, 'https://user:HUNTER2@rpc.example.com']",
        "rpc = ['ftp://user:HUNTER2@rpc.example.com']",
        "rpc = ['https://rpc.example.com/HUNTER2 and more']",
        "chain_id = 'HUNTER2'",
    ],
)
def test_a_refused_value_of_a_node_is_never_repeated(tmp_path: Path, line: str) -> None:
    text = SEED.replace("chain_id = 1\n", line + "\n" if "chain_id" in line else f"chain_id = 1\n{line}\n")
    found = mistakes(tmp_path, text)
    assert set(found) <= {"networks.ethereum.rpc", "networks.ethereum.chain_id"}
    assert "HUNTER2" not in str(found)


def test_a_refused_database_is_never_repeated(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SEED.replace('url = "sqlite:///support.db"', 'url = ["postgresql://u:HUNTER2@db/x"]'))
    assert set(found) == {"database.url"}
    assert "HUNTER2" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:HUNTER2@db/x", "postgres://u:HUNTER2@db/x", "postgresql+asyncpg://u:HUNTER2@db/x", "support.db",
        "/var/lib/support.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://:memory:", "sqlite://support.db",
        "sqlite:///folder/", "sqlite:///support.db?mode=ro", "sqlite+aiosqlite:///support.db", "sqlite:support.db", "",
        "postgresql+psycopg://u:HUNTER2@db:99999/x", "postgresql+psycopg://u:HUNTER2@db:port/x",
        "postgresql+psycopg://u:HUNTER2@db/x?no_such_option=1", "https://u:HUNTER2@db/x", "file:support.db",
    ],
)  # fmt: skip
def test_a_database_that_no_ledger_opens_is_refused_at_once(tmp_path: Path, url: str) -> None:
    found = mistakes(tmp_path, SEED.replace("sqlite:///support.db", url))
    assert set(found) == {"database.url"}
    assert "HUNTER2" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///support.db",
        "sqlite:////var/lib/support/support.db",
        "sqlite:///folder/my%20support.db",
        "postgresql+psycopg://u:p%40ss@db:5433/x?sslmode=require",
        "postgresql://u:p@db/x",
    ],
)
def test_a_database_that_check_passes_is_one_the_ledger_takes(tmp_path: Path, url: str) -> None:
    settings = assembled(tmp_path, SEED.replace("sqlite:///support.db", url)).settings
    Ledger(settings.database_url).dispose()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_files_from_any_editor_are_read(tmp_path: Path, encoding: str, line_end: str) -> None:
    def write(name: str, text: str) -> None:
        (tmp_path / name).write_bytes(text.replace("\n", line_end).encode(encoding))

    write("key", "sk_test_example\n")
    write("webhook", "whsec_one\nwhsec_two\n")
    write("nodes", "http://127.0.0.1:8545/key\n")
    write("database", "sqlite:////tmp/elsewhere.db\n")
    stripe = '\n[stripe]\nsecret_key_file = "key"\nwebhook_secret_file = "webhook"\n'
    text = SEED.replace('url = "sqlite:///support.db"', 'url_file = "database"') + stripe
    write("support.toml", text.replace("chain_id = 1\n", 'chain_id = 1\nrpc_file = "nodes"\n'))
    assembly = assemble(tmp_path / "support.toml")
    settings, account = assembly.settings, assembly.own["stripe"]
    assert isinstance(account, ProcessorAccount)
    assert (account.key, account.webhook_secrets) == ("sk_test_example", ("whsec_one", "whsec_two"))
    assert settings.networks["ethereum"]["rpc"] == ["http://127.0.0.1:8545/key"]
    assert settings.database_url == "sqlite:////tmp/elsewhere.db"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1251"])
def test_a_file_in_another_encoding_is_told_by_name(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "support.toml"
    bom = "\ufeff" if encoding == "utf-16-le" else ""
    file.write_bytes((bom + SEED + "# Підтримка").encode(encoding))
    with pytest.raises(SettingsError, match="save it as UTF-8"):
        assemble(file)


@pytest.mark.parametrize("hidden", ["\u200b", "\u00ad", "\u202c", "к", "\ufeff"])
def test_an_unseen_sign_in_a_secret_is_told_and_the_secret_is_not(tmp_path: Path, hidden: str) -> None:
    (tmp_path / "key").write_text(f"sk_test_HUNTER2{hidden}\n", encoding="utf-8")
    (tmp_path / "webhook").write_text("whsec_one\n", encoding="utf-8")
    stripe = '\n[stripe]\nsecret_key_file = "key"\nwebhook_secret_file = "webhook"\n'
    found = mistakes(tmp_path, SEED + stripe)
    assert set(found) == {"stripe.secret_key_file"}
    assert "unseen" in found["stripe.secret_key_file"]
    assert "HUNTER2" not in str(found)


@pytest.mark.parametrize("sign", ["\u200b", "\u202c", "\ufeff", "\u00ad"])
@pytest.mark.parametrize("key", ["methods.iban.iban", "methods.btc.address", "methods.eth.address"])
def test_a_sign_that_nobody_sees_is_named(tmp_path: Path, sign: str, key: str) -> None:
    right, _ = WRONG_CHECKSUMS[key]
    found = mistakes(tmp_path, SEED.replace(right, right[:9] + sign + right[9:]))
    assert set(found) == {key}
    assert f"U+{ord(sign):04X}" in found[key]


@pytest.mark.parametrize("password", ["пароль", "%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C"])
def test_a_password_that_http_cannot_send_is_refused(tmp_path: Path, password: str) -> None:
    found = mistakes(
        tmp_path, SEED.replace("chain_id = 1\n", f'chain_id = 1\nrpc = ["http://u:{password}@127.0.0.1"]\n')
    )
    assert set(found) == {"networks.ethereum.rpc"}
    assert "Latin-1" in str(found) and password not in str(found)


def test_the_settings_file_is_chosen_by_argument_then_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_path(None) == Path("config/support.toml")
    monkeypatch.setenv("SUPPORT_CONFIG", "/etc/support.toml")
    assert settings_path(None) == Path("/etc/support.toml")
    assert settings_path(Path("mine.toml")) == Path("mine.toml")


@pytest.mark.parametrize("accent", ["#ffd400", "#9a9a9a", "red", "#12345", "14574a"])
def test_a_colour_that_cannot_be_read_is_refused(tmp_path: Path, accent: str) -> None:
    found = mistakes(tmp_path, SEED.replace("sites = []", f'sites = []\naccent = "{accent}"'))
    assert set(found) == {"publisher.accent"}


@given(st.tuples(*(st.integers(0, 255),) * 3).map(lambda levels: "#{:02x}{:02x}{:02x}".format(*levels)))
def test_text_on_every_allowed_colour_and_in_it_can_be_read(colour: str) -> None:
    try:
        accent = read_accent(colour)
    except ValueError:
        return
    for shades, ground in ((light_shades(accent), LIGHT_GROUND), (dark_shades(accent), DARK_GROUND)):
        assert contrast(shades.accent, ground) >= CONTRAST_MIN
        assert contrast(shades.accent, shades.ink) >= CONTRAST_MIN
        assert contrast(shades.accent, shades.soft) >= 3


@pytest.mark.parametrize(
    "contact",
    ["support", "a b@example.com", "http://example.com", "javascript:alert(1)", "x@example.com\\nBcc: y@z.com"],
)
def test_a_contact_that_reaches_nobody_is_refused(tmp_path: Path, contact: str) -> None:
    text = SEED.replace('contact = "support@example.com"', f'contact = "{contact}"')
    assert set(mistakes(tmp_path, text)) == {"publisher.contact"}


def test_cards_without_a_contact_are_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk_test_example\n", encoding="utf-8")
    (tmp_path / "webhook").write_text("whsec_one\n", encoding="utf-8")
    stripe = '\n[stripe]\nsecret_key_file = "key"\nwebhook_secret_file = "webhook"\n'
    found = mistakes(tmp_path, SEED.replace("contact = ", "# contact = ") + stripe)
    assert set(found) == {"publisher.contact"}
    assert "must be able to reach you" in found["publisher.contact"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('logo = "none.svg"', "publisher.logo"),
        ('logo = "support.toml"', "publisher.logo"),
        ('legal = "a\\nb"', "publisher.legal"),
        ('names = {de = "x"}', "publisher.names"),
        ('appeal = {uk = ""}', "publisher.appeal"),
    ],
)
def test_a_face_that_cannot_be_shown_is_told(tmp_path: Path, line: str, key: str) -> None:
    assert set(mistakes(tmp_path, SEED.replace("sites = []", f"sites = []\n{line}"))) == {key}
