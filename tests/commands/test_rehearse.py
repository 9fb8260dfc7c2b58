"""The rehearsal: the whole line against somebody's own node, and nothing kept."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support_service.commands.rehearse import rehearse as rehearsal
from tests.fixtures.node import Node
from tests.fixtures.service import SEED, write_settings

OURS = "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"


def rehearse(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(rehearsal, ["--config", str(file), *arguments])


def settings(folder: Path) -> Path:
    text = SEED.replace("chain_id = 1\n", "chain_id = 31337\n")
    return write_settings(folder, text.replace('assets = ["ETH", "USDT", "USDC", "DAI"]', 'assets = ["ETH"]'))


@pytest.mark.node
def test_it_prints_what_would_be_booked_and_keeps_nothing(tmp_path: Path, node: Node) -> None:
    node.mine(5)
    sent = node.send(OURS, 7 * 10**16)
    node.mine(10)
    told = rehearse(settings(tmp_path), "--network", "ethereum", "--rpc", node.url, "--blocks", "14")
    assert (told.exit_code, told.stderr) == (0, "")
    booked = [line.split("\t")[1:] for line in told.stdout.splitlines() if "\t" in line]
    assert ["confirmed", "donation", "0.07", "ETH", f"{sent}:value"] in booked
    assert "verify: the ledger is sound" in told.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["support.toml"]


@pytest.mark.node
def test_the_wrong_chain_is_refused(tmp_path: Path, node: Node) -> None:
    told = rehearse(write_settings(tmp_path, SEED), "--network", "ethereum", "--rpc", node.url)
    assert told.exit_code == 1
    assert "31337" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--network", "ethereum", "--rpc", "http://127.0.0.1:1/SECRET"], 1, "cannot be reached"),
        (["--network", "tron", "--rpc", "http://127.0.0.1:1/SECRET"], 1, "cannot be reached"),
        (["--network", "bitcoin", "--rpc", "http://127.0.0.1:1/SECRET"], 2, "not built yet"),
        (["--network", "moon", "--rpc", "http://127.0.0.1:1/SECRET"], 2, "no method"),
        (["--network", "ethereum"], 2, "--rpc"),
    ],
)
def test_what_cannot_be_rehearsed_is_told(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    told = rehearse(settings(tmp_path), *arguments)
    assert told.exit_code == code
    assert said in told.stderr
    assert told.stderr.count("\n") == 1
    assert "SECRET" not in told.stderr
