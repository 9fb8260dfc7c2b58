"""One word for one idea: words that the house gave up stand in no name of the product any more."""

import ast
import re
from collections.abc import Iterator

from tests.test_house import FILES, named, tree

CHAINS = ("rails/bitcoin/", "rails/chain/", "rails/evm/", "rails/tron/")
EVERYWHERE = ("",)
# What is not the product, and what stands in databases as it was.
NOT_OURS = ("demo/", "ledger/migrations/")

# A word that was, the word that is, and the folders where it meant that.
WAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ahead": ("prefetch", EVERYWHERE),
    "auditing": ("the command's own name", EVERYWHERE),
    "belief": ("gift_status", EVERYWHERE),
    "book": ("samples", ("rails/tron/",)),
    "books": ("samples", ("rails/tron/",)),
    "camp": ("vote", EVERYWHERE),
    "camps": ("votes", EVERYWHERE),
    "checking": ("the command's own name", EVERYWHERE),
    "draft": ("report_builder", EVERYWHERE),
    "drafts": ("report builders", EVERYWHERE),
    "findings": ("range_result", EVERYWHERE),
    "forms": ("address_forms", ("rails/tron/",)),
    "freezing": ("freeze", EVERYWHERE),
    "lens": ("multicall", EVERYWHERE),
    "lifecycle": ("ranks", EVERYWHERE),
    "mark": ("block, state, or what the type says", EVERYWHERE),
    "marks": ("blocks, state, or what the type says", EVERYWHERE),
    "meeting": ("common_head", EVERYWHERE),
    "memo": ("cursor_state", EVERYWHERE),
    "memos": ("cursor_states", EVERYWHERE),
    "move": ("movement", CHAINS),
    "moves": ("movements", CHAINS),
    "panel": ("quorum, or sources", EVERYWHERE),
    "passes": ("range_reader", EVERYWHERE),
    "patient": ("rpc_without_hashes", EVERYWHERE),
    "place": ("http, server or connection", ("rails/bank/live/", "rates/")),
    "point": ("balance", ("ledger/", *CHAINS)),
    "points": ("balances", ("ledger/", *CHAINS)),
    "progress": ("watch_state", CHAINS),
    "reader": ("cache", ("rails/evm/", "rails/tron/")),
    "recall": ("without_archive", EVERYWHERE),
    "roster": ("node_pool", EVERYWHERE),
    "running": ("the command's own name", ("cli", "commands/")),
    "sight": ("reorg, chain_head", EVERYWHERE),
    "sought": ("wanted", ("ledger/",)),
    "standing": ("stall_warnings", CHAINS),
    "stepped": ("step_back", EVERYWHERE),
    "stories": ("movements_by_block", EVERYWHERE),
    "story": ("block_movements", EVERYWHERE),
    "telling": ("notification", EVERYWHERE),
    "thaw": ("unfreeze", EVERYWHERE),
    "thawed": ("unfrozen", EVERYWHERE),
    "turn": ("poll", CHAINS),
    "wire": ("http", EVERYWHERE),
}

STORED = "a stored word: rows, cursors and the sealed chain say it so"
# Names that say such a word and mean what English means by it, or what is stored so: file, name and why.
MEANS_SOMETHING_ELSE: dict[tuple[str, str], str] = {
    ("giving/balances.py", "mark"): STORED,
    ("giving/lines.py", "memo"): STORED,
    ("giving/reports.py", "memo"): STORED,
    ("ledger/balances.py", "mark"): STORED,
    ("ledger/lines.py", "memo"): STORED,
    ("ledger/sessions.py", "mark_seen"): "a verb",
    ("ledger/sign_in.py", "mark_used"): "a verb",
    ("ledger/verify/plain.py", "_marks"): "quotation marks",
    ("rails/asides.py", "memo"): STORED,
    ("rails/bank/booking.py", "_memo"): STORED,
    ("rails/bank/classes.py", "_marks"): "what a bank marks a line with",
    ("rails/bank/classes.py", "marks"): "what a bank marks a line with",
    ("rails/bank/live/__init__.py", "Marks"): "how far an account is read, in the words of the bank's API",
    ("rails/bank/live/__init__.py", "marks"): "how far an account is read, in the words of the bank's API",
    ("rails/bank/live/autoclient.py", "marks"): "the same",
    ("rails/bank/live/monobank.py", "marks"): "the same",
    ("rails/bank/source.py", "_read_marks"): "the same",
    ("rails/bank/statements/mt940.py", "mark"): "the characters that begin a part of a text",
    ("rails/bank/statements/proof.py", "Draft"): "a statement in the making: no report comes of it yet",
    ("rails/bank/statements/proof.py", "_draft"): "the same",
    ("rails/bank/statements/values.py", "marks"): "decimal marks",
    ("rails/chain/report_builder.py", "memo"): STORED,
    ("rails/chain/search.py", "points"): "heights that cut a span",
    ("rails/chain/search.py", "points_max"): "heights that cut a span",
    ("rails/evm/multicall.py", "reader"): "what reads an answer",
    ("rails/evm/range_reader.py", "range_reader"): "the word that is: what reads a range",
    ("rails/evm/unread_blocks.py", "_memo"): STORED,
    ("rails/mono/sweep_state.py", "memo"): STORED,
    ("rails/stripe/sweep_state.py", "memo"): STORED,
    ("rails/tron/address_forms.py", "AddressForms"): "the word that is",
    ("rails/tron/address_forms.py", "address_forms"): "the word that is",
    ("rails/tron/rescan.py", "address_forms"): "the word that is",
    ("rails/tron/source.py", "_address_forms"): "the word that is",
    ("rails/tron/source.py", "books"): "the accounts that every rail is given",
    ("rails/tron/step_back.py", "address_forms"): "the word that is",
    ("rates/settings.py", "place"): "the place of a feed in a list",
    ("web/staff/devices.py", "Mark"): "a mark that a browser keeps",
    ("web/staff/devices.py", "_marks"): "marks that a browser keeps",
    ("web/staff/refill.py", "mark"): "an attribute that marks a tag as chosen",
}


def words(name: str) -> set[str]:
    """The words of a name, split at _ and within CamelCase."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_names_are_split_into_words() -> None:
    assert words("_BankPlaceOf") == {"bank", "place", "of"}
    assert words("read_JSONRow_2") == {"read", "json", "row"}


def assigned_to(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """What an assignment gives a value."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def names_of(node: ast.AST) -> Iterator[str]:
    """The names that a node gives: of classes and their fields, of functions, parameters and attributes, of aliases."""
    match node:
        case ast.ClassDef():
            yield node.name
            targets = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.arg():
            yield node.arg
        case ast.Attribute(ctx=ast.Store()):
            yield node.attr
        case ast.alias(asname=str()):
            yield str(node.asname)
        case ast.Module():
            assigned = [item for item in node.body if isinstance(item, ast.Assign | ast.AnnAssign)]
            given: list[ast.expr] = [target for item in assigned for target in assigned_to(item)]
            # A constant says what it counts or holds, in the words of its own line.
            yield from (target.id for target in given if isinstance(target, ast.Name) and not target.id.isupper())
        case _:
            pass


def old_words() -> Iterator[tuple[str, str, str]]:
    """File, name and old word of every name that says one."""
    for path in FILES:
        file = named(path)
        if file.startswith(NOT_OURS):
            continue
        own = path.parent.name if path.stem == "__init__" else path.stem
        for name in {own, *(name for node in ast.walk(tree(path)) for name in names_of(node))}:
            for word in words(name) & WAS.keys():
                if file.startswith(WAS[word][1]):
                    yield file, name, word


def test_no_name_says_a_word_that_was_given_up() -> None:
    found = {(file, name): f"{word} -> {WAS[word][0]}" for file, name, word in old_words()}
    new = {place: said for place, said in found.items() if place not in MEANS_SOMETHING_ELSE}
    assert not new, f"say the word that is, or why this name means something else: {new}"
    gone = MEANS_SOMETHING_ELSE.keys() - found.keys()
    assert not gone, f"take off the list what stands nowhere any more: {gone}"
