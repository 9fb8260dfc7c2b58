"""Banks are asked and never told: every question is a GET, and none leads to where money is sent from."""

import ast
import re
from pathlib import Path

import pytest

from support_service.rails import bank

MODULES = sorted(Path(bank.__file__).parent.rglob("*.py"))
LIVE = [path for path in MODULES if path.parent.name == "live"]
# What may be asked of PrivatBank's AutoClient and of monobank: balances, lines, and whose account it is.
ASKED = re.compile(
    r"/api/statements$|/balance$|/settings$|/(final|interim)$|/transactions(/interim)?$"
    r"|/personal/(client-info|statement/)$|/ext/v1/statement/$"
)
# What asks, by the names of its libraries, and how else a session or a library could be made to send.
LIBRARIES = {"requests", "http.client", "urllib.request", "httpx", "socket"}
SENDING = {"post", "put", "patch", "delete", "request", "send", "urlopen", "options"}


def called(tree: ast.AST) -> set[str]:
    """The names of all methods and functions that a module calls."""
    found = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {one.attr if isinstance(one, ast.Attribute) else ast.unparse(one) for one in found}


def imported(tree: ast.AST) -> set[str]:
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_bank_is_asked_by_get_alone_and_in_one_place(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_asking = path.name == "connection.py"
    assert is_asking or not imported(tree) & LIBRARIES, "ask by BankConnection.get"
    assert not called(tree) & SENDING


@pytest.mark.parametrize("path", LIVE, ids=str)
def test_no_path_that_is_asked_is_one_that_creates_a_payment(path: Path) -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    paths = [text for text in texts if re.match(r"/[A-Za-z]", text)]
    assert [one for one in paths if not ASKED.match(one)] == [], "say above what it asks, and that it changes nothing"
    assert "payment" not in " ".join(paths).lower()
