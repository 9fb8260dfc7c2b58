"""What `check` passes works: page, widget and a migrated database. What it refuses is named in words."""

import json
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support_service.app import create_app
from support_service.assembly import Assembly, assemble
from support_service.commands.check import file_mistakes, method_lines, warning_lines
from support_service.ledger import Ledger, migrate
from support_service.money import Money, plain
from support_service.settings import SettingsError
from tests.fixtures.door import create_site
from tests.fixtures.service import SEED, write_settings

HOSTS = [
    "example.com",
    "Example.COM.",
    "підтримка.укр",
    "xn--80ahmijpip2p.xn--j1amh",
    "127.0.0.1",
    "[::1]",
    "localhost",
]
WRONG_HOSTS = ["*", "*.example.com", ".example.com", "a b", "a_b.example", "::1", "", "127.1", "xn--a", "💩.la", "a..b"]
# Right ones are drawn more often: most settings must reach the app.
host = st.sampled_from(HOSTS * 8 + WRONG_HOSTS)
port = st.sampled_from([""] * 20 + [":80", ":443", ":8000", ":0", ":65536", ":x", ":"])
path = st.sampled_from(["", "/", "/donate", "/Donate/now/", "/дім"] * 6 + ["/a b", "/a//b", "/..", "/a;b", "?x", "#x"])
scheme = st.sampled_from(["https://", "HTTPS://"] * 8 + ["http://", "ftp://", ""])
url = st.builds("{}{}{}{}".format, scheme, host, port, path)
origin = st.builds("{}{}{}".format, scheme, host, port)
FILES = ["sqlite:///support.db", "sqlite:///мій фонд.db", "sqlite:///a%20b.db", "sqlite:///a#b.db", "sqlite:///no/a.db"]
WRONG_FILES = [
    "sqlite:///:memory:",
    "sqlite://",
    "sqlite:///",
    "sqlite:///a.db?x=1",
    "mysql://a/b",
    "postgres://a/b",
    "a",
    "",
]
database = st.sampled_from(FILES * 6 + WRONG_FILES)
node = st.sampled_from(
    [
        "http://127.0.0.1:1",
        "http://u:пароль@127.0.0.1:1",
        "http://u:p%C3%A9@127.0.0.1:1/x",
        "http://вузол.укр:1",
        "x",
        "http://*",
    ]
)
drawn = st.fixed_dictionaries(
    {},
    optional={
        "publisher.name": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20),
        "publisher.url": url,
        "publisher.languages": st.lists(
            st.sampled_from(["uk", "en", "uk", "en", "pl"]), min_size=1, max_size=2, unique=True
        ),
        "publisher.sites": st.lists(origin, max_size=2),
        "database.url": database,
        "web.trusted_hosts": st.lists(st.builds("{}{}".format, host, port), max_size=2),
        "web.proxy_hops": st.integers(-1, 20).map(lambda hops: hops if hops in {-1, 11} else max(0, hops) % 11),
        "web.client_address_header": st.sampled_from(["X-Forwarded-For", "Clientaddress", "X_Real_IP", "a b", ""]),
        "networks.ethereum.rpc": st.lists(node, max_size=2),
        "networks.ethereum.quorum": st.integers(0, 2),
    },
)


def written(folder: Path, chosen: dict[str, object]) -> Path:
    """Write the first user's block with these settings instead of its own."""
    _, rest = SEED.split("[database]", 1)
    values: dict[str, object] = {"publisher.name": "A paper", "database.url": "sqlite:///support.db"} | chosen
    lines = []
    for table in ("publisher", "database", "web"):
        lines.append(f"[{table}]")
        keys = [key for key in values if key.startswith(f"{table}.")]
        lines += [f"{key.partition('.')[2]} = {json.dumps(values[key], ensure_ascii=False)}" for key in keys]
    methods = rest[rest.index("[[methods]]") :]
    nodes = [
        f"{key.rpartition('.')[2]} = {json.dumps(chosen[key], ensure_ascii=False)}\n"
        for key in chosen
        if key.startswith("networks.")
    ]
    return write_settings(
        folder, "\n".join(lines) + "\n" + methods.replace("chain_id = 1\n", "chain_id = 1\n" + "".join(nodes))
    )


# One value, or another that is wrong, missing or strange, for each key of a way to give.
IBANS = ["UA043052990000026007015028783", "ua04 3052 9900 0002 6007 0150 28783", "DE89370400440532013000"]
WRONG_IBANS = ["UA053052990000026007015028783", "UA04", "УА043052990000026007015028783", ""]
ETHEREUM = ["0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2", "0x6db6d0e7acca3a5b5b09c461ae480df9a928d0a2"]
WRONG_ETHEREUM = ["0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a3", "0x0", "6db6", "0x" + "0" * 40]
BITCOIN = ["bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsd", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"]
WRONG_BITCOIN = ["bc1qv58uev602j2twgxdtyv4z0mvly44ezq788kwsf", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", ""]
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), min_size=1, max_size=150)
sums = st.lists(st.sampled_from(["5", "200", "1000", "0.5", "0", "-1", "x", "1e9", "٥"]), max_size=3)


def either(right: list[str], wrong: list[str]) -> st.SearchStrategy[str]:
    """Draw a right value mostly: most settings must reach the app."""
    return st.sampled_from(right * 8 + wrong)


def way(
    rail: str, keys: dict[str, st.SearchStrategy[object]], **optional: st.SearchStrategy[object]
) -> st.SearchStrategy[dict[str, object]]:
    """Draw one [[methods]] table."""
    key = st.sampled_from(["one", "two", "three", "four", "a-b", "Ä", "stripe", "x" * 80, ""])
    return st.fixed_dictionaries({"key": key, "rail": st.just(rail)} | keys, optional=optional)


ways: st.SearchStrategy[list[dict[str, object]]] = st.lists(
    st.one_of(
        way("card", {"number": either(["5169335101647408"], ["5169335101647409", "1", ""])}, bank=words),
        way(
            "bank",
            {"iban": either(IBANS, WRONG_IBANS), "currency": either(["UAH", "EUR"], ["USDT", "XXX", ""])},
            receiver=words,
            receiver_code=either(["12345678", "1234567899"], ["1", "x"]),
            purpose=words,
        ),
        way(
            "evm",
            {"network": either(["ethereum"], ["tron", "moon"]), "address": either(ETHEREUM, WRONG_ETHEREUM)},
            assets=st.lists(either(["ETH", "USDT", "USDC"], ["BTC", "?"]), max_size=3),
            start_block=st.sampled_from([0, 1, 2**63, 10**80, -1]),
        ),
        way("bitcoin", {"network": st.just("bitcoin"), "address": either(BITCOIN, WRONG_BITCOIN)}),
        way("tron", {"network": st.just("tron"), "address": either(["TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V"], ["T", ""])}),
    ),
    max_size=4,
)
offers = st.dictionaries(
    either(["EUR", "UAH"], ["JPY", "?"]),
    st.fixed_dictionaries(
        {},
        optional={
            "once": sums,
            "monthly": sums,
            "minimum": st.sampled_from(["1", "5", "0", "x"]),
            "maximum": st.sampled_from(["1000", "5", "99999999999999", "x"]),
            "fee": st.sampled_from(["2.9% + 0.30", "3%", "100%", "-1%", "x"]),
        },
    ),
    max_size=2,
)
cards = st.fixed_dictionaries(
    {"currencies": st.lists(either(["EUR", "USD", "UAH", "JPY", "KWD"], ["XXX", "", "BTC"]), max_size=3)},
    optional={
        "api_base": either(["https://api.stripe.com", "http://127.0.0.1:1"], ["http://example.com", "x"]),
        "checkout_origins": st.lists(origin, max_size=2),
        "offers": offers,
    },
)


def assembled(file: Path) -> Assembly | SettingsError:
    """Read the settings, or tell what is wrong with them."""
    try:
        return assemble(file)
    except SettingsError as error:
        return error


def told(value: object) -> str:
    """Write a value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {told(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(told(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def giving_ways(
    folder: Path, methods: list[dict[str, object]], stripe: dict[str, object] | None, database: str
) -> Path:
    """Write settings with these ways to give, and the processor's secrets beside them."""
    (folder / "key").write_text("sk_test_" + "a" * 24)
    (folder / "signing").write_text("whsec_" + "b" * 24)
    tables: list[tuple[str, dict[str, object]]] = [
        ("publisher", {"name": "A paper", "contact": "desk@paper.example", "languages": ["uk", "en"]})
    ]
    tables += [("database", {"url": database})]
    if stripe is not None:
        tables += [("stripe", {"secret_key_file": "key", "webhook_secret_file": "signing"} | stripe)]
    lines = [f"[{name}]\n" + "".join(f"{key} = {told(one)}\n" for key, one in of.items()) for name, of in tables]
    lines += ["[[methods]]\n" + "".join(f"{key} = {told(one)}\n" for key, one in of.items()) for of in methods]
    return write_settings(folder, "\n".join([*lines, SEED[SEED.index("[networks.ethereum]") :]]))


@pytest.mark.postgres
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(methods=ways, stripe=st.none() | cards, is_large=st.booleans())
def test_each_way_to_give_that_check_passes_is_shown_with_its_codes(
    postgresql_url: str, methods: list[dict[str, object]], stripe: dict[str, object] | None, is_large: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = postgresql_url if is_large else "sqlite:///support.db"
        file = giving_ways(Path(folder), methods, stripe, database)
        assembly = assembled(file)
        if isinstance(assembly, SettingsError):
            places = {mistake.key.split(".")[0].split("[")[0] for mistake in assembly.mistakes}
            assert places <= {"methods", "stripe"}, assembly.lines
            assert all(mistake.reason for mistake in assembly.mistakes)
            return
        assert len(method_lines(assembly)) >= len(methods)
        if file_mistakes(assembly):
            return
        migrate(assembly.settings.database_url)
        client = create_app(assembly).test_client()
        card = [
            f"/card?amount={plain(Money(units[0], currency.asset))}&currency={currency.asset.code}&frequency={often}"
            for method in assembly.methods
            if method.card is not None
            for currency in method.card.currencies
            for often, units in currency.presets
            if units
        ]
        codes = [f"/qr/{method.key}.{kind}" for method in assembly.methods if method.qr for kind in ("svg", "png")]
        for asked in ["/support", "/support?lang=en", "/widget", "/totals.json", "/privacy", *card, *codes]:
            answer = client.get(asked, headers={"Host": "127.0.0.1:8000"})
            assert answer.status_code == 200, (asked, answer.text[:400])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=drawn)
@example(chosen={"publisher.url": "https://example.com/donate"})
@example(chosen={"publisher.url": "https://example.com/дім"})
def test_what_check_passes_serves_the_page_and_what_it_refuses_is_named(chosen: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder), chosen)
        assembly = assembled(file)
        if isinstance(assembly, SettingsError):
            assert {mistake.key for mistake in assembly.mistakes} <= set(chosen), assembly.lines
            assert all(line.startswith(f"{file}: ") for line in assembly.lines)
            assert all(mistake.reason for mistake in assembly.mistakes)
            return
        assert method_lines(assembly)
        assert all(": warning: " in line for line in warning_lines(assembly))
        if file_mistakes(assembly):
            return
        migrate(assembly.settings.database_url)
        ledger = Ledger(assembly.settings.database_url)
        assert ledger.verify() == []
        ledger.dispose()
        publisher, web = assembly.settings.publisher, assembly.settings.web
        served = web.trusted_hosts[0] if web.trusted_hosts else publisher.base.site.host
        client = create_site(assembly).test_client()
        for asked in ("/support", "/widget", "/widget.js", "/oembed?url=" + publisher.base.url + "/support"):
            answer = client.get(asked, headers={"Host": str(served)})
            assert answer.status_code == 200, (asked, answer.text)
            assert answer.headers["Content-Security-Policy"].isascii()
        page, prefix = client.get("/support", headers={"Host": str(served)}).text, publisher.base.prefix
        # A browser writes the letters of a path as %D0 before it asks.
        assert f'="{prefix}/static/' in page or f'="{unquote(prefix)}/static/' in page
