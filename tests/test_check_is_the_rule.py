"""What `check` passes works: page, widget and a migrated database. What it refuses is named in words."""

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support_service.app import create_app
from support_service.assembly import assemble
from support_service.commands.check import file_mistakes, method_lines, warning_lines
from support_service.ledger import Ledger, migrate
from support_service.settings import SettingsError
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


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=drawn)
def test_what_check_passes_serves_the_page_and_what_it_refuses_is_named(chosen: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder), chosen)
        refused: SettingsError | None = None
        try:
            assembly = assemble(file)
        except SettingsError as error:
            refused = error
        if refused is not None:
            assert {mistake.key for mistake in refused.mistakes} <= set(chosen), refused.lines
            assert all(line.startswith(f"{file}: ") for line in refused.lines)
            assert all(mistake.reason for mistake in refused.mistakes)
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
        client = create_app(assembly).test_client()
        for asked in ("/support", "/widget", "/widget.js", "/oembed?url=" + publisher.base.url + "/support"):
            answer = client.get(asked, headers={"Host": str(served)})
            assert answer.status_code == 200, (asked, answer.text)
            assert answer.headers["Content-Security-Policy"].isascii()
        assert f'src="{publisher.base.prefix}/static/' in client.get("/support", headers={"Host": str(served)}).text
