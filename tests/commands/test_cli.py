"""The commands, as people and scripts meet them."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from support_service import cli
from support_service.demo.stripe import StripeFake
from support_service.giving import State
from support_service.ledger import Ledger, migrate
from support_service.ledger.login_limits import Knock
from tests.fixtures.reports import NOON, gift, pushed, transfer_report
from tests.fixtures.service import ROOT, SEED, Command, write_settings

BUILT = {
    "attest",
    "backup",
    "donor",
    "notify",
    "manifest",
    "restore",
    "run",
    "web",
    "watch",
    "check",
    "migrate",
    "export",
    "verify",
    "staff",
    "demo",
    "freezes",
    "unfreeze",
    "rescan",
    "cards",
    "import",
    "snippet",
}


@pytest.fixture
def books(settings_file: Path) -> Iterator[Ledger]:
    """The migrated ledger of the settings file, with two gifts a day apart."""
    url = f"sqlite:///{settings_file.parent / 'support.db'}"
    migrate(url)
    ledger = Ledger(url)
    ledger.accept(transfer_report(units=25 * 10**17, state=State.CONFIRMED))
    ledger.accept(pushed("evt_1", gift(units=12_50, occurred_at=NOON + timedelta(days=1))))
    yield ledger
    ledger.dispose()


def test_help_names_exactly_what_is_built(command: Command) -> None:
    told = command("--help")
    listed = told.stdout.split("Commands:\n")[1].splitlines()
    assert told.exit_code == 0
    assert {line.split()[0] for line in listed} == BUILT
    assert all(command(name, "--help").exit_code == 0 for name in BUILT)


def test_verify_online_compares_nothing_where_no_node_is_set(
    command: Command, settings_file: Path, books: Ledger
) -> None:
    told = command("--config", settings_file, "verify", "--online")
    assert (told.exit_code, told.stdout, told.stderr) == (0, "the ledger is sound\n", "")
    assert books.verify() == []


@pytest.mark.parametrize("line", [["walk"], ["export"], ["export", "--format", "pdf"], ["watch", "--twice"]])
def test_a_wrong_command_line_is_told_in_one_line(command: Command, line: list[str]) -> None:
    told = command(*line)
    assert told.exit_code == 2
    assert told.stderr.count("\n") == 1


def test_mistakes_of_the_settings_come_all_at_once(command: Command, tmp_path: Path) -> None:
    text = SEED.replace("5169335101647408", "5169335101647409").replace("sites", "cites")
    file = write_settings(tmp_path, text)
    for name in ("check", "run", "web", "watch", "migrate", "verify"):
        told = command("--config", file, name)
        lines = told.stderr.splitlines()
        assert told.exit_code == 1
        assert [line.split(": ")[:2] for line in lines] == [
            [str(file), "publisher.cites"],
            [str(file), "methods.card.number"],
        ]


def test_check_prints_each_method_with_its_code(command: Command, settings_file: Path) -> None:
    told = command("--config", settings_file, "check")
    lines = [line.split("\t") for line in told.stdout.splitlines()]
    assert told.exit_code == 0
    assert [(line[0], line[1]) for line in lines] == [
        ("card", "card"),
        ("iban", "bank"),
        ("eth", "evm"),
        ("btc", "bitcoin"),
        ("usdt", "tron"),
    ]
    assert lines[0][2:4] == ["5169 3351 0164 7408", "QR 5169335101647408"]
    assert lines[2][3] == "QR 0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"
    assert lines[3][3] == "QR bitcoin:BC1QV58UEV602J2TWGXDTYV4Z0MVLY44EZQ788KWSD"
    assert all("not watched" in line[4] for line in lines)


def test_check_says_what_is_watched(command: Command, tmp_path: Path) -> None:
    text = SEED.replace("chain_id = 1\n", 'chain_id = 1\nrpc = ["http://127.0.0.1:1"]\n')
    told = command("--config", write_settings(tmp_path, text), "check")
    assert "watched on ethereum" in told.stdout.splitlines()[2]


def test_migrate_creates_the_database_once(command: Command, settings_file: Path) -> None:
    first, second = (command("--config", settings_file, "migrate") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "0001" in first.stdout
    assert "nothing" in second.stdout


@pytest.mark.parametrize("line", [["verify"], ["watch", "--once"], ["export", "--format", "csv"], ["staff", "list"]])
def test_without_a_database_the_command_says_what_to_run(
    command: Command, settings_file: Path, line: list[str]
) -> None:
    told = command("--config", settings_file, *line)
    assert (told.exit_code, told.stdout) == (1, "")
    assert "support-service migrate" in told.stderr
    assert not (settings_file.parent / "support.db").exists()


def test_export_writes_one_object_a_line(command: Command, settings_file: Path, books: Ledger) -> None:
    told = command("--config", settings_file, "export", "--format", "jsonl")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(row["asset"], row["units"], row["amount"]) for row in rows] == [
        ("ETH", "2500000000000000000", "2.5"),
        ("EUR", "1250", "12.5"),
    ]


def test_export_goes_to_a_file_that_is_whole(command: Command, settings_file: Path, books: Ledger) -> None:
    out = settings_file.parent / "gifts.csv"
    told = command("--config", settings_file, "export", "--format", "csv", "--out", out)
    assert (told.exit_code, told.stdout) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig"), newline="")))
    assert [row["amount"] for row in rows] == ["2.5", "12.5"]
    assert [path.name for path in settings_file.parent.glob(".gifts*")] == []


def test_export_to_a_folder_that_is_not_there_is_told(command: Command, settings_file: Path, books: Ledger) -> None:
    told = command("--config", settings_file, "export", "--format", "csv", "--out", "/no/such/folder/x.csv")
    assert told.exit_code == 1
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("wanted", "amounts"),
    [
        (["--rail", "evm"], ["2.5"]),
        (["--state", "confirmed"], ["2.5", "12.5"]),
        (["--state", "seen"], []),
        (["--since", "2026-05-02"], ["12.5"]),
        (["--until", "2026-05-02T12:00:00Z"], ["2.5"]),
        (["--since", "2026-05-02T15:00:00+03:00"], ["12.5"]),
        (["--since", "2026-05-01T12:00:00", "--until", "2026-05-01T12:00:01"], ["2.5"]),
    ],
)
def test_export_can_be_narrowed(
    command: Command, settings_file: Path, books: Ledger, wanted: list[str], amounts: list[str]
) -> None:
    told = command("--config", settings_file, "export", "--format", "jsonl", *wanted)
    assert [json.loads(line)["amount"] for line in told.stdout.splitlines()] == amounts


def test_verify_says_that_all_is_well(command: Command, settings_file: Path, books: Ledger) -> None:
    told = command("--config", settings_file, "verify")
    assert (told.exit_code, told.stdout) == (0, "the ledger is sound\n")
    head = books.head()
    told = command("--config", settings_file, "verify", "--since", f"{head.number}:{head.hash}")
    assert (told.exit_code, told.stdout) == (0, "the ledger is sound\n")
    told = command("--config", settings_file, "verify", "--since", f"{head.number}:{'0' * 64}")
    assert (told.exit_code, told.stdout) == (1, "1 problems\n")
    assert command("--config", settings_file, "verify", "--since", "yesterday").exit_code == 2


def test_staff_come_and_go(command: Command, settings_file: Path, books: Ledger) -> None:
    added = command("--config", settings_file, "staff", "add", "Olena@Example.com", "--role", "admin")
    password = added.stdout.split("password: ")[1].strip()
    assert len(password) >= 20
    assert books.people.log_in("olena@example.com", password, Knock("account", "place", "network"))
    again = command("--config", settings_file, "staff", "add", "olena@example.com", "--role", "viewer")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert command("--config", settings_file, "staff", "disable", "olena@example.com").exit_code == 0
    listed = command("--config", settings_file, "staff", "list").stdout.split("\t")
    assert listed[:2] == ["olena@example.com", "admin"]
    assert listed[2].startswith("disabled since")


def test_a_password_can_be_piped_in_and_is_not_repeated(command: Command, settings_file: Path, books: Ledger) -> None:
    line = ["--config", settings_file, "staff", "add", "a@example.com", "--role", "bookkeeper", "--password-stdin"]
    told = command(*line, stdin="correct horse battery\n")
    assert told.exit_code == 0
    assert "correct" not in told.output
    assert books.people.log_in("a@example.com", "correct horse battery", Knock("account", "place", "network"))
    assert command(*line, stdin="").exit_code == 2


def test_the_contracts_words_are_the_commands(command: Command) -> None:
    assert set(cli.commands.commands) - {"sample-article"} == BUILT


def test_what_is_frozen_is_told_until_somebody_has_looked(command: Command, settings_file: Path, books: Ledger) -> None:
    def said(*arguments: str) -> tuple[int, str, str]:
        told = command("--config", settings_file, *arguments)
        return told.exit_code, told.stdout, told.stderr

    assert said("freezes") == (0, "nothing is frozen\n", "")
    books.freeze("evm:far", "two nodes differ about block 7", {"a:8545": "0x1", "b:8545": "0x2"})
    code, lines, _ = said("freezes")
    assert code == 0
    assert lines.startswith("far: frozen since ") and "two nodes differ about block 7" in lines
    assert "  a:8545: 0x1\n  b:8545: 0x2\n" in lines
    assert said("unfreeze", "far")[0] == 2
    assert said("unfreeze", "far", "--note", "b was replaced") == (
        0,
        "far: goes on where it stood; the chain has every block that was read\n",
        "",
    )
    assert said("freezes") == (0, "nothing is frozen\n", "")
    code, _, error = said("unfreeze", "far", "--note", "again")
    assert (code, error) == (
        1,
        "support-service: far is not frozen; `support-service freezes` tells what is\n",
    )


def test_cards_are_switched_off_and_on_like_on_the_staff_page(command: Command, tmp_path: Path) -> None:
    with StripeFake() as fake:
        file = write_settings(tmp_path, SEED + fake.settings(tmp_path))
    url = f"sqlite:///{tmp_path / 'support.db'}"
    migrate(url)
    ledger = Ledger(url)

    def said(*arguments: str) -> tuple[int, str]:
        told = command("--config", file, "cards", *arguments)
        return told.exit_code, told.stdout

    assert said("on") == (0, "stripe: cards were on already; nothing was changed\n")
    assert said("off", "--note", "stolen cards") == (
        0,
        "stripe: cards are off; payment pages that are open already can still be paid\n",
    )
    (held,) = ledger.freezes()
    assert (held.source, held.reason, dict(held.evidence)) == ("checkout:stripe", "stolen cards", {"by": "cli"})
    code, line = said("off", "--note", "again")
    assert code == 0
    assert line.startswith("stripe: cards are off already, since ")
    assert line.endswith(": stolen cards\n")
    assert said("on", "--note", "over") == (0, "stripe: cards are on again\n")
    (ended,) = ledger.freezes(with_ended=True)
    assert (ended.ended_by, ended.note) == ("cli", "over")
    assert ledger.sweeps.known_reports("staff:cli", [f"unfreeze:stripe:{ended.number}"])
    assert ledger.verify() == []
    ledger.dispose()


def test_where_no_cards_are_taken_there_is_nothing_to_switch(
    command: Command, settings_file: Path, books: Ledger
) -> None:
    told = command("--config", settings_file, "cards", "off")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "no cards are taken here" in told.stderr
    assert books.freezes() == ()
    assert command("--config", settings_file, "cards", "maybe").exit_code == 2


def test_what_comes_with_the_package_is_found(command: Command) -> None:
    assert command("--config", ROOT / "config" / "militarnyi.toml", "check").exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('url = "http://127.0.0.1:8000"', 'url = "https://support.example.com"', "web.proxy_hops"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://support.example.com"', "publisher.url"),
        ("[database]", '[web]\ntrusted_hosts = ["a.example"]\n[database]', "web.trusted_hosts"),
        ("chain_id = 1\n", 'chain_id = 1\nrpc_file = "nodes"\n', "networks.ethereum.rpc_file"),
    ],
)
def test_check_warns_of_what_works_and_may_be_meant_otherwise(
    command: Command, settings_file: Path, old: str, new: str, key: str
) -> None:
    nodes = settings_file.parent / "nodes"
    nodes.write_text("http://127.0.0.1:1\n", encoding="utf-8")
    nodes.chmod(0o644)
    text = settings_file.read_text(encoding="utf-8")
    assert old in text
    settings_file.write_text(text.replace(old, new), encoding="utf-8")
    told = command("--config", settings_file, "check")
    assert told.exit_code == 0
    warned = [line.split(": ")[1:3] for line in told.stderr.splitlines()]
    assert warned == [["methods.iban", "warning"], [key, "warning"]], "the seed's IBAN opens no bank app"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("sqlite:///support.db", "sqlite:///no/such/folder/support.db", "database.url"),
        ("[database]", '[web]\nsecret_file = "no/such/secret"\n[database]', "web.secret_file"),
    ],
)
def test_check_looks_at_the_places_that_the_service_needs(
    command: Command, settings_file: Path, old: str, new: str, key: str
) -> None:
    settings_file.write_text(settings_file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    told = command("--config", settings_file, "check")
    wrong = [line for line in told.stderr.splitlines() if ": warning: " not in line]
    assert (told.exit_code, wrong[0].split(": ")[1]) == (1, key)


@pytest.mark.parametrize("layout", ["block", "bar", "button", "compact"])
def test_the_block_for_articles_is_printed_without_script(command: Command, settings_file: Path, layout: str) -> None:
    told = command("--config", settings_file, "snippet", "--lang", "en", "--layout", layout)
    assert told.exit_code == 0
    assert told.stdout.startswith(f'<support-block lang="en" layout="{layout}">')
    assert "<script" not in told.stdout
    assert command("--config", settings_file, "snippet", "--lang", "fr").exit_code == 2
