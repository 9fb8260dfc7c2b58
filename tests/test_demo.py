"""The demo as a newcomer meets it: one command, real transfers, nothing left behind."""

import json
import re
import signal
from pathlib import Path

import pytest

from support_service import demo_chain
from support_service.demo_chain import LocalChain
from support_service.supervisor import ProcessError
from tests.fixtures.node import CHAIN_ID, Node, start_node
from tests.fixtures.service import Running, Start, answer, free_port, until


def counted(page: str) -> set[str]:
    """Return the assets of which something is confirmed."""
    status, text = answer(f"{page}/totals.json")
    return {total["asset"] for total in json.loads(text)["totals"]} if status == 200 else set()


def started(start: Start, tmp_path: Path) -> tuple[Running, str]:
    """Start the demo on a machine where a real service is set up, and wait until it says where it is."""
    port = free_port()
    own = {"SUPPORT__DATABASE__URL": f"sqlite:///{tmp_path / 'own.db'}", "SUPPORT_CONFIG": "/no/such.toml"}
    demo = start("demo", "--port", port, env={"TMPDIR": str(tmp_path), **own})
    until(lambda: "Stop with Ctrl-C" in demo.printed() or demo.process.poll() is not None)
    assert demo.process.poll() is None, demo.complained()
    return demo, f"http://127.0.0.1:{port}"


@pytest.mark.node
def test_a_newcomer_sees_gifts_go_from_seen_to_confirmed(start: Start, tmp_path: Path) -> None:
    demo, page = started(start, tmp_path)
    status, support = answer(f"{page}/support")
    assert status == 200
    for value in ("5169335101647408", "UA043052990000026007015028783", "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"):
        assert value in support
    assert "demo" in support.lower()
    assert "demo" in answer(f"{page}/widget")[1].lower()
    assert "demo" in answer(f"{page}/widget.js")[1].lower()
    article = re.search(r"Sample article:\s+(\S+)", demo.printed())
    assert article
    assert f"{page}/widget.js" in answer(article[1])[1]
    until(lambda: "ETH" in counted(page), seconds=60, what=demo.complained())
    until(lambda: "USDT" in counted(page), seconds=120, what=demo.complained())
    until(lambda: re.search(r"confirmed +12\.34 USDT", demo.printed()) is not None, seconds=120, what=demo.complained())
    told = demo.printed()
    assert told.index("\n  seen ") < told.index("\n  confirmed ")
    assert "paid out by a contract" in told
    assert "Traceback" not in demo.complained()
    assert demo.stop(signal.SIGINT) == 0
    assert not demo.descendants()
    assert not list(tmp_path.glob("support-demo-*")), "the temporary folder is gone"
    assert not (tmp_path / "own.db").exists(), "the publisher's own database was not touched"


@pytest.mark.node
def test_the_demos_staff_login_works_and_nothing_outlives_it(start: Start, tmp_path: Path) -> None:
    demo, page = started(start, tmp_path)
    login = re.search(r"log in as (\S+) with password (\S+)", demo.printed())
    assert login
    assert answer(f"{page}/staff/login")[0] == 200
    assert demo.descendants()
    demo.stop(signal.SIGKILL)
    until(lambda: not demo.descendants())


@pytest.mark.node
def test_the_demo_sends_to_its_own_chain_alone(node: Node) -> None:
    chain = LocalChain(node.url)
    chain.claim()
    other = start_node(extra=["--chain-id", "1"])
    try:
        with pytest.raises(ProcessError, match=str(CHAIN_ID)):
            LocalChain(other.url).claim()
    finally:
        other.stop()


@pytest.mark.parametrize("url", ["http://10.0.0.1:8545", "https://rpc.example.com", "http://127.0.0.1.example.com"])
def test_the_demo_talks_to_this_machine_alone(url: str) -> None:
    with pytest.raises(ProcessError):
        LocalChain(url)


def test_a_missing_node_is_one_clear_line(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProcessError, match="make setup"):
        demo_chain.node_child(tmp_path, 1, {})
