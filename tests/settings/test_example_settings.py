"""config/support.example.toml names every setting there is, and none that is not."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support_service.assembly import assemble
from support_service.rails import RAILS
from support_service.rails.mono.settings import MonoTable
from support_service.rails.options import Options, Surroundings
from support_service.rails.stripe.settings import OfferTable, StripeTable
from support_service.settings import Settings, read_settings
from support_service.settings.schema import (
    DatabaseTable,
    FeedTable,
    HeartbeatTable,
    MailTable,
    ManifestTable,
    OidcTable,
    Privacy,
    Publisher,
    ValueTable,
    Web,
)
from tests.fixtures.service import ROOT, write_settings

TEXT = (ROOT / "config" / "support.example.toml").read_text(encoding="utf-8")
# Each is another way to write the setting before it; a file stands for what lies outside.
FILES = {"url_file", "rpc_file", "rpc_solid_file", "native_file", "trongrid_file", "esplora_file"}


def switched_on(*, with_files: bool) -> str:
    """Return the example with every setting that is off switched on."""
    text = re.sub(r"^#(?=[\w\[])", "", TEXT, flags=re.MULTILINE)
    # Those of [[notify]] stand for nothing else: an address there always holds a secret.
    return (
        text
        if with_files
        else re.sub(rf'^({"|".join(FILES)}) = (?!"/run/secrets/notify).*$', "", text, flags=re.MULTILINE)
    )


OF_EVERY_CHANNEL = {"events", "min_amount", "minutes", "digest", "lang", "readers"}
TABLES: dict[str, Any] = tomllib.loads(switched_on(with_files=True))


def around() -> Surroundings:
    settings, _ = read_settings(ROOT / "config" / "militarnyi.toml", RAILS.values())
    assert isinstance(settings, Settings)
    return Surroundings(settings.networks, settings.assets)


def known(options: Options) -> set[str]:
    """Return the settings a rail takes from a table: its answer to one that does not exist names them."""
    options.close()
    told = next(one.reason for one in options.mistakes if one.key == f"{options.where}.no_such_setting")
    return set(told.split("known are: ")[1].split(", "))


def test_as_it_is_it_can_be_used(tmp_path: Path) -> None:
    assert assemble(write_settings(tmp_path, TEXT)).methods == ()


def test_with_everything_switched_on_it_is_right(tmp_path: Path) -> None:
    text = switched_on(with_files=False)
    (tmp_path / "logo.svg").write_text("<svg/>", encoding="utf-8")
    for name, secret in (
        ("stripe_key", "sk_test_example"),
        ("stripe_webhook", "whsec_example"),
        ("mono_token", "an-example-of-a-token"),
        ("privat_token", "token"),
        ("mail_password", "password"),
        ("oidc_secret", "a-client-secret"),
        ("notify_url", "https://example.org/hook"),
        ("notify_heartbeat", "https://example.org/ping"),
        ("notify_secret", "a secret of more than sixteen bytes"),
    ):
        (tmp_path / name).write_text(f"{secret}\n", encoding="utf-8")
        text = text.replace(f"/run/secrets/{name}", str(tmp_path / name))
    assembly = assemble(write_settings(tmp_path, text))
    assert {method.rail for method in assembly.methods} == set(RAILS)


def test_every_section_names_every_setting() -> None:
    assert set(TABLES["publisher"]) == set(Publisher.model_fields)
    assert set(TABLES["database"]) - FILES == set(DatabaseTable.model_fields)
    assert set(TABLES["web"]) == set(Web.model_fields)
    assert set(TABLES["mail"]) == {field.alias or name for name, field in MailTable.model_fields.items()}
    assert set(TABLES["heartbeat"]) == set(HeartbeatTable.model_fields)
    assert set().union(*TABLES["notify"]) == {"channel", "key", "url_file", "secret_file", "to", *OF_EVERY_CHANNEL}
    assert set(TABLES["value"]) == set(ValueTable.model_fields)
    assert set(TABLES["oidc"]) == set(OidcTable.model_fields)
    assert set(TABLES["privacy"]) == set(Privacy.model_fields)
    assert set(TABLES["value"]["feeds"][0]) == set(FeedTable.model_fields)
    assert set(TABLES["stripe"]) == set(StripeTable.model_fields)
    assert set(TABLES["stripe"]["offers"]["EUR"]) == set(OfferTable.model_fields)
    assert set(TABLES["mono"]) == set(MonoTable.model_fields)
    assert set(TABLES["manifest"]) == set(ManifestTable.model_fields)
    assert set(TABLES["assets"][0]) == {"code", "network", "contract", "exponent", "source"}


@pytest.mark.parametrize("rail", [rail.name for rail in RAILS.values() if not rail.processor])
def test_every_rail_names_every_setting_of_a_method(rail: str) -> None:
    options = Options("methods.x", {"no_such_setting": 1})
    RAILS[rail].build_method("x", options, around())
    table = next(table for table in TABLES["methods"] if table["rail"] == rail)
    assert set(table) - {"key", "rail"} == known(options)


@pytest.mark.parametrize("rail", [rail.name for rail in RAILS.values() if rail.check_network])
def test_every_rail_names_every_setting_of_a_network(rail: str) -> None:
    options = Options("networks.x", {"rail": rail, "no_such_setting": 1})
    check = RAILS[rail].check_network
    assert check is not None
    check("x", options)
    named = set().union(*(set(table) for table in TABLES["networks"].values() if table["rail"] == rail))
    assert named - FILES == known(options)


def test_every_value_that_is_off_is_the_default_or_an_example() -> None:
    defaults = {"url": "http://127.0.0.1:8000", "languages": ["uk", "en"]}
    assert {name: TABLES["publisher"][name] for name in defaults} == defaults
    assert TABLES["database"]["url"] == DatabaseTable().url
    addresses = ("currency", "nbu_url", "market_url")
    assert {name: TABLES["value"][name] for name in addresses} == {
        name: getattr(ValueTable(), name) for name in addresses
    }
    assert TABLES["web"] == {
        "secret_file": "web.secret",
        "trusted_hosts": [],
        "proxy_hops": 0,
        "client_address_header": "X-Forwarded-For",
    }


def test_every_setting_has_its_reason() -> None:
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?\[", line):
            above = next(other for other in lines[number - 1 :: -1] if other)
            assert (
                above.startswith("# ")
                or line in {"[publisher]", "[database]", "[web]", "[networks.base]"}
                or (line.startswith("[networks."))
            ), f"{line} says nothing about itself"
