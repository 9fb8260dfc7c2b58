"""The README says what is so: its commands run, its snippets work, its links lead somewhere."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest
import stripe

from support_service import cli
from support_service.assembly import assemble
from support_service.rails import RAILS
from support_service.rails.stripe.events import DECLINED, HANDLED
from tests.fixtures.service import ROOT, write_settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def snippets(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def shell_lines() -> list[str]:
    """Every command line of the README, in blocks and in tables."""
    block = [line.split(" #")[0].strip() for text in snippets("sh") for line in text.splitlines()]
    return [line for line in block + re.findall(r"`((?:make|support-service) [^`]+)`", README) if line]


# Words in capitals stand for what a person puts there.
STAND_INS = {"METHOD": "eth", "NETWORK": "ethereum", "N": "1", "TEXT": "looked", "FILE": "support.toml"}

OURS = [shlex.split(line)[1:] for line in shell_lines() if shlex.split(line)[0].endswith("support-service")]


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_every_command_is_understood(words: list[str]) -> None:
    words = [STAND_INS.get(word, word) for word in words]
    command: click.Command = cli.commands
    if words[0] == "--config":
        assert words[2] == "COMMAND"
        return
    while isinstance(command, click.Group):
        found = command.commands.get(words[0])
        assert found is not None, f"{words[0]} is not a command"
        command, words = found, words[1:]
    command.make_context(command.name, list(words), resilient_parsing=False)


def test_every_command_is_told() -> None:
    told = {words[0] for words in OURS}
    assert told >= {name for name, command in cli.commands.commands.items() if not command.hidden}


PACKAGE = ROOT / "support_service"
MAP = re.findall(r"```\nsupport_service/\n(.*?)```", README, flags=re.DOTALL)[0].splitlines()


def test_the_map_shows_every_room_and_none_that_is_gone() -> None:
    rooms = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
    drawn: set[str] = set()
    for line in MAP[:-1]:
        words = line.split()
        here = {word.strip("/") for word in takewhile(lambda word: word.endswith("/"), words)}
        drawn |= here
        within = {word.strip("/;,") for word in words if word.rstrip(";,").endswith("/")} - here
        assert all((PACKAGE / room / name).is_dir() for room in here for name in within), line
        assert here or (PACKAGE / f"{words[0]}.py").exists(), f"neither a room nor a module: {line}"
    assert drawn == rooms


def test_the_map_names_every_rail() -> None:
    (line,) = [line for line in MAP if line.strip().startswith("rails/")]
    told = re.findall(r": ([a-z ]+);", line)[0].split()
    assert sorted(told) == sorted(RAILS)


def test_every_make_target_exists() -> None:
    targets = {re.split(r"\s", line)[1] for line in shell_lines() if line.startswith("make ")}
    assert targets >= {"run", "test", "setup", "rehearse"}
    assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def test_the_settings_work(tmp_path: Path) -> None:
    first, *more = snippets("toml")
    for number, text in enumerate([first, *(f"{first}\n{one}" for one in more)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert assemble(write_settings(folder, text)).methods


def test_the_snippets_name_what_the_widget_is() -> None:
    script = (ROOT / "support_service" / "web" / "reader" / "widget.js").read_text(encoding="utf-8")
    element = re.search(r'customElements\.define\("([a-z-]+)"', script)
    assert element
    embedded, framed = snippets("html")
    assert f"<{element[1]} " in embedded
    assert "/widget.js" in embedded
    assert "/widget" in framed


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_two_commands_come_early() -> None:
    assert README.index("support-page.png") < README.index("make run") < README.index("make test")
    assert README[: README.index("make test")].count("\n") < 40


def test_the_webhook_is_subscribed_to_what_is_read() -> None:
    (told,) = snippets("text")
    lines = [line.split(": ") for line in told.splitlines()]
    assert {f"{head}.{name}" for head, names in lines for name in names.split(", ")} == {*HANDLED, DECLINED}
    assert f"`{stripe.api_version}`" in README
