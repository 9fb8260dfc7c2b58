"""`run`, `web` and `watch` as real processes: they start, survive, stop, and leave nothing behind."""

import json
import re
import signal
import socket
from pathlib import Path

import psutil
import pytest

from support_service.assembly import assemble, build_processors
from support_service.commands.run import watch
from support_service.demo.stripe import KEY, CardTrouble, StripeFake
from support_service.giving import Frequency, Intent, utc_now
from support_service.ledger import Ledger
from support_service.supervisor import listening_address
from tests.fixtures.database import prepare
from tests.fixtures.node import Node
from tests.fixtures.service import SEED, Command, Running, Start, answer, free_port, until, write_settings


def with_node(rpc: str, *, chain_id: int = 31337) -> str:
    """The first user's block with ETH watched at a node, which is asked every second."""
    return SEED.replace("chain_id = 1\n", f'chain_id = {chain_id}\nrpc = ["{rpc}"]\npoll_seconds = 1\n').replace(
        'assets = ["ETH", "USDT", "USDC", "DAI"]', 'assets = ["ETH"]'
    )


def serving(service: Running, port: int) -> None:
    until(lambda: answer(f"http://127.0.0.1:{port}/healthz")[0] == 200 or service.process.poll() is not None)
    assert service.process.poll() is None, service.complained()


def test_run_serves_the_page_with_no_node_at_all(settings_file: Path, start: Start) -> None:
    port = free_port()
    service = start("--config", settings_file, "run", "--port", port)
    serving(service, port)
    until(lambda: "Stop with Ctrl-C" in service.printed())
    assert answer(f"http://127.0.0.1:{port}/support")[0] == 200
    assert answer(f"http://127.0.0.1:{port}/readyz")[0] == 200
    assert answer(f"http://127.0.0.1:{port}/staff/login")[0] == 200
    assert f"http://127.0.0.1:{port}/support" in service.printed()
    assert (settings_file.parent / "support.db").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_stops_cleanly(tmp_path: Path, start: Start, number: int) -> None:
    port = free_port()
    settings = write_settings(tmp_path, with_node("http://127.0.0.1:1"))
    # Once as people start it, with all that it starts itself.
    service = start("--config", settings, "run", "--port", port, is_cold=number == signal.SIGTERM)
    serving(service, port)
    below = service.descendants()
    assert len(below) == 3, "the web server, its worker and the watcher"
    assert service.stop(number) == 0
    assert not service.descendants()
    assert "Traceback" not in service.complained()
    assert service.printed().endswith("Stopped.\n")


@pytest.mark.parametrize("name", ["run", "web"])
def test_nothing_outlives_a_killed_service(tmp_path: Path, start: Start, name: str) -> None:
    settings = write_settings(tmp_path, with_node("http://127.0.0.1:1"))
    prepare(f"sqlite:///{tmp_path / 'support.db'}")
    port = free_port()
    service = start("--config", settings, name, "--port", port)
    serving(service, port)
    assert service.descendants()
    service.stop(signal.SIGKILL)
    until(lambda: not service.descendants())


def test_a_crashed_child_comes_back(settings_file: Path, start: Start) -> None:
    port = free_port()
    service = start("--config", settings_file, "run", "--port", port)
    serving(service, port)
    for child in psutil.Process(service.process.pid).children():
        child.kill()
    until(lambda: "child_ended" in service.complained())
    serving(service, port)
    assert service.stop() == 0


def test_a_port_in_use_is_one_clear_line(settings_file: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("run", "web"):
            service = start("--config", settings_file, name, "--port", port)
            assert service.process.wait(60) == 1
            assert service.complained().count("\n") == 1
            assert f"127.0.0.1:{port}" in service.complained()
            assert "--port" in service.complained()


def test_web_alone_serves_the_page_without_a_database(settings_file: Path, start: Start) -> None:
    port = free_port()
    service = start("--config", settings_file, "web", "--port", port)
    serving(service, port)
    assert answer(f"http://127.0.0.1:{port}/support")[0] == 200
    status, text = answer(f"http://127.0.0.1:{port}/readyz")
    assert status == 503
    assert "support-service migrate" in text
    assert not (settings_file.parent / "support.db").exists()
    assert service.stop() == 0
    assert not service.descendants()


def test_a_node_that_is_down_never_stops_the_page(tmp_path: Path, start: Start) -> None:
    port = free_port()
    service = start("--config", write_settings(tmp_path, with_node("http://127.0.0.1:1")), "run", "--port", port)
    serving(service, port)
    until(lambda: '"down"' in answer(f"http://127.0.0.1:{port}/totals.json")[1])
    assert answer(f"http://127.0.0.1:{port}/support")[0] == 200
    assert service.process.poll() is None


def test_watch_once_names_what_could_not_be_read(tmp_path: Path, start: Start) -> None:
    settings = write_settings(tmp_path, with_node("http://127.0.0.1:1"))
    prepare(f"sqlite:///{tmp_path / 'support.db'}")
    watcher = start("--config", settings, "watch", "--once")
    assert watcher.process.wait(60) == 1
    assert watcher.printed().startswith("evm:ethereum: not read to its end: ")
    assert watcher.printed().count("\n") == 1


@pytest.mark.node
def test_watch_once_refuses_a_node_of_another_chain(tmp_path: Path, start: Start, node: Node) -> None:
    settings = write_settings(tmp_path, with_node(node.url, chain_id=1))
    prepare(f"sqlite:///{tmp_path / 'support.db'}")
    watcher = start("--config", settings, "watch", "--once")
    assert watcher.process.wait(60) == 1
    assert "31337" in watcher.printed()


@pytest.mark.node
def test_check_online_tells_right_from_wrong(tmp_path: Path, start: Start, node: Node) -> None:
    right = start("--config", write_settings(tmp_path, with_node(node.url)), "check", "--online")
    assert right.process.wait(60) == 0
    assert "is on chain 31337" in right.printed()
    dead = f'{node.url}", "http://127.0.0.1:1'
    file = write_settings(tmp_path, with_node(dead, chain_id=5))
    wrong = start("--config", file, "check", "--online")
    assert wrong.process.wait(60) == 1
    lines = [line for line in wrong.complained().splitlines() if ": warning: " not in line]
    assert [line.split(": ")[:2] for line in lines] == [[str(file), "networks.ethereum.rpc"]] * 2


@pytest.mark.node
def test_watch_books_what_arrives_until_it_is_told_to_stop(tmp_path: Path, start: Start, node: Node) -> None:
    settings = write_settings(tmp_path, with_node(node.url))
    url = f"sqlite:///{tmp_path / 'support.db'}"
    prepare(url)
    once = start("--config", settings, "watch", "--once")
    assert once.process.wait(60) == 0
    watcher = start("--config", settings, "watch")
    node.send("0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2", 3 * 10**17)
    node.mine()
    ledger = Ledger(url)
    until(lambda: any(one.donation.payment.units == 3 * 10**17 for one in ledger.donations()))
    ledger.dispose()
    assert watcher.stop() == 0
    exported = start("--config", settings, "export", "--format", "jsonl")
    assert exported.process.wait(60) == 0
    assert "0.3" in [json.loads(line)["amount"] for line in exported.printed().splitlines()]


@pytest.mark.parametrize("name", ["watch", "verify"])
def test_a_database_that_is_not_there_stops_the_command(tmp_path: Path, start: Start, name: str) -> None:
    command = start("--config", write_settings(tmp_path, with_node("http://127.0.0.1:1")), name)
    assert command.process.wait(60) == 1
    assert "support-service migrate" in command.complained()


def test_what_nobody_reads_any_more_ends_quietly(settings_file: Path, start: Start) -> None:
    command = start("--config", settings_file, "--debug", "check")
    assert command.process.wait(60) == 0
    assert "Traceback" not in command.complained()


def test_cards_that_no_webhook_told_of_are_booked_by_the_watcher(tmp_path: Path, start: Start) -> None:
    with StripeFake() as fake:
        settings = write_settings(tmp_path, SEED + fake.settings(tmp_path))
        prepare(f"sqlite:///{tmp_path / 'support.db'}")
        ledger = Ledger(f"sqlite:///{tmp_path / 'support.db'}")
        intent = Intent("ab" * 16, "stripe", "UAH", 2, 20_000, Frequency.ONCE, "en", utc_now())
        ledger.intents.open(intent, nonce="1" * 32)
        (processor,) = build_processors(assemble(settings), ledger.intents, clock=utc_now).values()
        page = processor.open_checkout(intent, 1, started_at=utc_now(), thanks_url="http://a/t", back_url="http://a/b")
        fake.pay(page.session)
        asked = start("--config", settings, "check", "--online")
        assert asked.process.wait(60) == 0
        assert "stripe: the key may read all that is needed; test: no real money" in asked.printed()
        watcher = start("--config", settings, "watch", "--once")
        assert watcher.process.wait(60) == 0
    assert re.fullmatch(r"stripe:sweep: [1-9] changes\n", watcher.printed())
    (gift,) = ledger.donations()
    assert (gift.donation.state, gift.donation.counted_units, gift.donation.fee_units) == ("confirmed", 20_000, 610)
    ledger.dispose()


def test_check_online_says_what_is_wrong_with_a_key_of_stripes(tmp_path: Path, start: Start) -> None:
    with StripeFake() as fake:
        settings = write_settings(tmp_path, SEED + fake.settings(tmp_path))
        (tmp_path / "stripe.key").write_text("sk_test_ofanother00000000")
        asked = start("--config", settings, "check", "--online")
        assert asked.process.wait(60) == 1
        assert "stripe.secret_key_file: stripe: /v1/events: AuthenticationError 401" in asked.complained()
        assert "sk_test" not in asked.complained()
        (tmp_path / "stripe.key").write_text(KEY)
        fake.faults.order(CardTrouble.REFUSED, times=9, path="/v1/disputes", method="GET")
        partly = start("--config", settings, "check", "--online")
        assert partly.process.wait(60) == 1
    assert "stripe.secret_key_file: stripe: /v1/disputes was refused" in partly.complained()


@pytest.mark.parametrize(("name", "host", "address"), [("web", "localhost", "127.0.0.1"), ("run", "[::1]", "::1")])
def test_a_host_is_taken_in_every_spelling(
    settings_file: Path, start: Start, name: str, host: str, address: str
) -> None:
    assert [listening_address(spelt) for spelt in (host, f" {host} ", address)] == [address] * 3
    port = free_port()
    service = start("--config", settings_file, name, "--host", host, "--port", port)
    shown = f"[{address}]" if ":" in address else address
    until(lambda: answer(f"http://{shown}:{port}/healthz")[0] == 200 or service.process.poll() is not None)
    assert answer(f"http://{shown}:{port}/healthz")[0] == 200, service.complained()
    assert service.stop() == 0


@pytest.mark.parametrize("name", ["run", "web", "demo"])
@pytest.mark.parametrize("host", ["no such host", "", "999.1.1.1", "192.0.2.1", "http://127.0.0.1"])
def test_a_host_that_is_not_of_this_machine_is_one_clear_line(
    settings_file: Path, command: Command, name: str, host: str
) -> None:
    told = command("--config", settings_file, name, "--host", host, "--port", free_port())
    assert told.exit_code == 1
    assert told.stderr.count("\n") == 1
    assert "--host" in told.stderr


def test_settings_that_break_under_a_running_service_end_it_in_words(settings_file: Path, start: Start) -> None:
    port = free_port()
    service = start("--config", settings_file, "run", "--port", port)
    serving(service, port)
    settings_file.write_text("[publisher]\ncolour = 'red'\n", encoding="utf-8")
    for child in psutil.Process(service.process.pid).children():
        child.kill()
    assert service.process.wait(60) == 1
    assert "publisher.colour: is not a known setting" in service.complained()
    assert "will not pass by itself" in service.complained()
    assert not service.descendants()


def test_a_watcher_with_nothing_to_watch_says_what_each_rail_lacks(tmp_path: Path) -> None:
    assembly, told = assemble(write_settings(tmp_path, SEED)), list[str]()
    prepare(assembly.settings.database_url)
    ledger = Ledger(assembly.settings.database_url)
    assert watch(assembly, ledger, once=True, say=told.append) == 0
    ledger.dispose()
    nodes = "no method has a network with a node (rpc or esplora in [networks.NAME])"
    others = "no [stripe], no [mono], and no account of [[banks]] has a token_file"
    assert told == [f"nothing to watch: {nodes}, {others}"]
