"""The house defends itself: who may import whom, how large things get, what happens at import."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import pytest

from support_service.rails import RAILS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "support_service"
FILES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")

# A file is one idea; beyond this it is probably two.
FILE_LINES_MAX = 450
FILE_LINES_MAX_OF: dict[str, int] = {}
FUNCTION_LINES_MAX = 50
POSITIONAL_MAX, PARAMETERS_MAX = 4, 8

# Part of the house -> what it may import of ours.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "money": (),
    "giving": ("giving", "money"),
    "qr": ("giving",),
    "log": (),
    "origin": (),
    "supervisor": (),
    "door": ("door", "origin"),
    "settings": ("money", "origin", "rails", "settings"),
    "manifest": ("giving", "manifest", "qr"),
    "assembly": ("giving", "ledger", "manifest", "notifications", "oidc", "rails", "rates", "settings"),
    "rails": ("giving", "money", "origin", "rails"),
    "rates": ("giving", "money", "rails", "rates", "settings"),
    "ledger": ("giving", "ledger", "money"),
    "notifications": ("giving", "ledger", "money", "notifications", "origin", "rails", "settings"),
    "oidc": ("ledger", "oidc", "origin", "rails", "settings"),
    "watcher": ("giving", "ledger", "rails"),
    "web": (
        *(
            "assembly",
            "door",
            "giving",
            "ledger",
            "manifest",
            "money",
            "notifications",
            "oidc",
            "origin",
            "qr",
            "rails",
        ),
        *("settings", "web"),
    ),
    "app": ("assembly", "door", "giving", "ledger", "settings", "web"),
}
# These stand at the top and may use everything; demo and conformance are not the product.
TOP = {"", "__main__", "cli", "commands", "conformance", "demo", "server"}
# All that stands beside the folders; whatever else there is has a room.
TOP_MODULES = {"__init__", "__main__", "app", "assembly", "cli", "log", "money", "origin", "qr", "server"}
TOP_MODULES |= {"supervisor", "watcher"}

# No clock, no network, no settings: what they answer depends on their arguments alone.
PURE = ["money.py", "origin.py", "qr.py", "rails/chain/search.py", "rails/chain/node_settings.py", "ledger/postings.py"]
PURE += [f"giving/{name}.py" for name in ("states", "methods", "intents", "reports", "donations")]
IMPURE_MODULES = {"asyncio", "http", "logging", "os", "random", "requests", "secrets", "socket", "sqlite3"}
IMPURE_MODULES |= {"subprocess", "threading", "time", "urllib.request", "web3", "flask", "flask_babel", "sqlalchemy"}
IMPURE_MODULES |= {"alembic", "click", "stripe", "tempfile", "shutil"}

# A TRON node speaks Ethereum's JSON-RPC, with quirks: that rail is built on the other's.
SPEAKS_AS = {"tron": "evm"}

# These are names of rails and words of English, too: "bank line", "the card form".
ENGLISH_WORDS = {"bank", "card"}
# What is not the product, and history.
MAY_NAME_RAILS = ("demo/", "conformance/", "ledger/migrations/")
# Who else may name a rail outside its folder, which, and why.
NAMES_A_RAIL: dict[str, tuple[set[str], str]] = {
    "rails/__init__.py": ({"bank", "bitcoin", "card", "evm", "mono", "stripe", "tron"}, "the one table of rails"),
    "rates/chainlink.py": ({"evm"}, "a price feed is a contract of an EVM chain, asked as that rail asks its nodes"),
    "rates/settings.py": ({"evm"}, "the same, in the settings"),
    "rates/online.py": ({"bitcoin"}, "the network of the coin that every market knows, as config/assets.toml has it"),
    "cli.py": ({"bank"}, "the help of that command names the rail's table"),
    "commands/import_.py": ({"bank"}, "a statement is a bank's: the command is that rail's own"),
    "web/staff/lines.py": ({"bank"}, "a line of a statement is a bank's: so is the form that says what it is"),
    "web/bank_calls.py": ({"bank"}, "banks call at an address that their own documents name, as no processor does"),
    "web/staff/imports.py": ({"bank"}, "a statement that staff bring is a bank's, as the command's"),
    "web/staff/links.py": ({"bank", "card"}, "what a bank's line gives back came by a bank's line or card number"),
    "web/staff/entry.py": ({"bank"}, "a gift booked by hand is joined to its line at once"),
    "web/staff/rows.py": ({"bank"}, "the same, of many"),
    "web/card/views.py": ({"card"}, "the name of its blueprint: the pages at /card"),
    "web/reader/block.py": ({"card"}, "the same, as the place that the block's sums lead to"),
    "rails/bank/classes.py": ({"stripe"}, "a payout by Stripe is a class of a bank's line, and a stored word"),
    "rails/bank/booking.py": ({"stripe"}, "the same class, and what it counts as"),
    "ledger/canonical.py": ({"bank"}, "a stored word: the key of what a bank's line says, part of the sealed chain"),
}

# Flask hands its error page whatever a view raised: nothing is caught there.
BLANKET_EXCEPTS = {"watcher.py": 1}
ENVIRONMENT_READERS = {"settings/__init__.py"}


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def each(paths: list[Path]) -> "pytest.MarkDecorator":
    return pytest.mark.parametrize("path", paths, ids=[named(path) for path in paths])


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imports(path: Path) -> set[str]:
    """Every module (and module.name) that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def part(path: Path) -> str:
    """The part of the house a file is in: its folder under the package, or its own name."""
    return named(path).split("/")[0].removesuffix(".py").replace("__init__", "")


def our_imports(path: Path) -> set[str]:
    """The parts of the house that a file imports."""
    inside = {name.split(".")[1] for name in imports(path) if name.startswith("support_service.")}
    return {name for name in inside if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()}


def test_only_what_is_everybodys_stands_beside_the_rooms() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == TOP_MODULES, "put it into the folder whose idea it is"


# One name stands for one thing, but each chain has a record of its own for these: a folder is read beside the other.
NAMES_OF_EACH_CHAIN = frozenset(
    {
        "Block",
        "BlockMovements",
        "CursorState",
        "Movement",
        "Pending",
        "Poll",
        "SourceContext",
        "Transaction",
        "WatchState",
    }
)
# Both standards of payment codes call it so; any value of JSON is that, in the product as in what stands in for others.
NAMES_OF_STANDARDS = frozenset({"Json", "Transfer"})


def name_of_a_kind(node: ast.stmt) -> str:
    """The name of a class or an alias, plain or annotated; else "". Type variables stand for any type."""
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name):
            is_variable = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in {"TypeVar", "ParamSpec"}
            return "" if is_variable else name
        case _:
            return ""


def test_a_name_of_a_class_stands_in_one_module() -> None:
    found: dict[str, list[str]] = {}
    for path in FILES:
        for name in filter(None, map(name_of_a_kind, tree(path).body)):
            found.setdefault(name, []).append(named(path))
    several = {name: paths for name, paths in found.items() if len(paths) > 1}
    new = {name: paths for name, paths in several.items() if name not in NAMES_OF_EACH_CHAIN | NAMES_OF_STANDARDS}
    assert not new, f"say by the name what each of them is: {new}"
    gone = (NAMES_OF_EACH_CHAIN | NAMES_OF_STANDARDS) - set(several)
    assert not gone, f"take them off the list, so that they stay one thing: {gone}"


HTML = "what Python's own parser hands over"
SUMS = "the key of a sum, never taken apart on the way: a record would only cost time, many times a gift"
SEARCH = "indexes what a chain answered: a key of any kind, and a height"
# Tuples of unlike things that a parameter may hold, by the file and the tuple or its alias, each with why.
PACKED: dict[tuple[str, str], str] = {
    ("demo/bitcoin_transactions.py", "tuple[bytes, int]"): "an output as its bytes are written; not the product",
    ("demo/card_readers.py", "tuple[str, str | None]"): HTML,
    ("ledger/accept/write.py", "TotalKey"): SUMS,
    ("ledger/verify/donations.py", "Booked"): "a row that is compared whole with another one",
    ("ledger/verify/parts.py", "TotalKey"): SUMS,
    ("ledger/view_counts.py", "Seen"): "the key of a count, taken apart where it is written alone",
    ("manifest/page.py", "tuple[str, str | None]"): HTML,
    ("rails/chain/search.py", "Question"): SEARCH,
    ("rails/chain/search.py", "Search"): SEARCH,
    ("rails/evm/native_coin.py", "Question"): SEARCH,
    ("rails/evm/range_reader.py", "Question"): SEARCH,
    ("web/metrics.py", "Sample"): "labels and value, written where they are made and taken apart in one line",
    ("web/staff/refill.py", "tuple[str, str | None]"): HTML,
}


@cache
def aliases() -> dict[str, ast.expr]:
    """What each alias of a type stands for, by its name: a name stands in one module."""
    return {
        name: node.value
        for path in FILES
        for node in tree(path).body
        if (name := name_of_a_kind(node)) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    }


def packed_in(annotation: ast.expr, known: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every tuple of unlike things within an annotation, also behind aliases: by its alias, else by its text."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from packed_in(ast.parse(node.value, mode="eval").body, known)
        elif isinstance(node, ast.expr) and _is_packed(node) and not isinstance(node, ast.BinOp):
            yield ast.unparse(node)
        elif isinstance(node, ast.Name) and node.id in aliases().keys() - known:
            yield from [node.id for _ in packed_in(aliases()[node.id], known | {node.id})][:1]


def test_a_parameter_holds_no_bare_tuple_of_unlike_things() -> None:
    packed = {
        (named(path), text): f"{function.name}({argument.arg})"
        for path in FILES
        for function in functions(path)
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None
        for text in packed_in(argument.annotation)
    }
    new = {place: where for place, where in packed.items() if place not in PACKED}
    assert not new, f"give each value its own name, or make a record of them: {new}"
    assert not PACKED.keys() - packed.keys(), "take off the list what stands nowhere any more"


# What Flask sends: text, status, headers.
RESPONSE = "tuple[str, int, dict[str, str]]"
# Values that are only compared or sorted by, and never taken apart.
KEYS = {
    "rails/bitcoin/node_quorum.py: _fact_of",
    "web/card/checkout.py: _charged",
    "web/staff/month_sums.py: _order",
}


def test_three_unlike_things_come_back_as_a_record() -> None:
    packed = {
        f"{named(path)}: {function.name}"
        for path in FILES
        for function in functions(path)
        if function.returns is not None
        and _is_packed(function.returns)
        and ast.unparse(function.returns) != RESPONSE
        and len(_kinds(function.returns)) > 2
    }
    assert packed == KEYS, f"make a record of what they return: {sorted(packed ^ KEYS)}"


def _kinds(annotation: ast.expr) -> list[ast.expr]:
    """The parts of a tuple, which may be None."""
    kind = annotation.left if isinstance(annotation, ast.BinOp) else annotation
    assert isinstance(kind, ast.Subscript) and isinstance(kind.slice, ast.Tuple)
    return kind.slice.elts


def _is_packed(annotation: ast.expr) -> bool:
    """Tell of tuple[A, B] with unlike A and B, also where it may be None."""
    kind = annotation.left if isinstance(annotation, ast.BinOp) else annotation
    if (
        not isinstance(kind, ast.Subscript)
        or ast.unparse(kind.value) != "tuple"
        or not isinstance(kind.slice, ast.Tuple)
    ):
        return False
    parts = [ast.unparse(part) for part in kind.slice.elts]
    return "..." not in parts and len(set(parts)) > 1


# A file that a text names, `ledger/postings.py`; names in code and whole addresses are none.
NAMED_FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[a-z_]\w*\.py)\b")
FILE_NAMES = [
    str(path.relative_to(ROOT)) for top in ("support_service", "tests") for path in (ROOT / top).rglob("*.py")
]


def told_texts(path: Path) -> Iterator[str]:
    """What a file says in words: its docstrings and other texts, and its comments."""
    yield from (
        node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and type(node.value) is str
    )
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    yield from (token.string for token in tokens if token.type == tokenize.COMMENT)


@each(FILES)
def test_every_file_that_a_text_names_is_there(path: Path) -> None:
    """By its path from the package or from the repository; a bare name is a file of the same folder."""
    folder = path.parent.relative_to(ROOT)
    told = {name for text in told_texts(path) for name in NAMED_FILE.findall(text)}
    gone = {
        name
        for name in told
        if not any(str(start / name) in FILE_NAMES for start in (folder, Path("support_service"), Path()))
    }
    gone -= {"derived.py"} if "migrations" in path.parts else set()
    assert not gone, f"{named(path)} names what is not there: {gone}"


@each(FILES)
def test_imports_point_one_way(path: Path) -> None:
    if part(path) in TOP:
        return
    assert part(path) in MAY_IMPORT, f"say in MAY_IMPORT where {part(path)} stands"
    stray = our_imports(path) - set(MAY_IMPORT[part(path)])
    assert not stray, f"{named(path)} may not know {stray}; hand it a plain value or a Report instead"


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_what_a_part_may_import_is_what_it_imports(name: str) -> None:
    known = set().union(*(our_imports(path) for path in FILES if part(path) == name))
    unused = set(MAY_IMPORT[name]) - known
    assert not unused, "take it off MAY_IMPORT, so that nobody begins to"


def test_the_arrows_of_the_readme_are_those_of_the_code() -> None:
    """Whatever stands further left may know what stands further right and nothing else: in fact, and by the rule."""
    (line,) = re.findall(r"^cli -> .* -> money$", README, flags=re.MULTILINE)
    groups = [group.split(", ") for group in line.split(" -> ")]
    level = {name: number for number, group in enumerate(groups) for name in group}
    edges = {(part(path), other) for path in FILES for other in our_imports(path)}
    edges |= {(name, other) for name, others in MAY_IMPORT.items() for other in others}
    drawn = {(name, other) for name, other in edges if {name, other} <= set(level) and name != other}
    against = sorted(f"{name} -> {other}" for name, other in drawn if level[name] >= level[other])
    assert not against, f"the line in README.md says otherwise: {against}"
    strangers = [f"{left} -> {right}" for left, right in pairwise(groups) if not drawn & set(product(left, right))]
    assert not strangers, f"these know nothing of each other: {strangers}"


@each([path for path in FILES if part(path) == "rails" and named(path) != "rails/__init__.py"])
def test_a_rail_knows_no_other_rail(path: Path) -> None:
    folders = {folder.name for folder in (PACKAGE / "rails").iterdir() if folder.is_dir()}
    own = named(path).split("/")[1]
    folders -= {SPEAKS_AS.get(own, ""), "chain", "__pycache__"}
    others = {name.split(".")[2] for name in imports(path) if name.startswith("support_service.rails.")} & folders
    assert others <= {own}, "what two rails share stands beside them, in rails/"


# The words within names: PAYOUT_STRIPE, StripePlans, evm_requests.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def own_rails(path: Path) -> set[str]:
    """The rail whose folder a file is in, and the one it is built on."""
    room, _, rest = named(path).partition("/")
    own = rest.partition("/")[0] if room == "rails" else ""
    return {own, SPEAKS_AS.get(own, "")} & set(RAILS)


def names_a_rail(path: Path) -> set[str]:
    """The rails of others that a file names: by an import, a text, a table, a source; but for English words anywhere.

    Rails' own folders say English words as such: a bank's line is of a card, a card of a bank.
    """
    inside = {name.split(".")[2] for name in imports(path) if name.startswith("support_service.rails.")}
    texts = [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    said = {rail for rail in RAILS for text in texts if isinstance(text, str) and is_said(rail, text)}
    words = {word.lower() for word in WORD.findall(path.read_text(encoding="utf-8"))}
    words |= {word.removesuffix("s") for word in words}
    own = own_rails(path)
    return set(RAILS) & (inside | (said - ENGLISH_WORDS if own else said) | (words - ENGLISH_WORDS)) - own


def is_said(rail: str, text: str) -> bool:
    """Tell whether a text is a rail's word, the name of a source of its, or names a table of its settings."""
    return text == rail or text.startswith(f"{rail}:") or bool(re.search(rf"\[{rail}s?\b", text))


def test_a_rail_is_found_within_names_and_tables() -> None:
    assert all(is_said("bank", text) for text in ("bank", "bank:privat", "no account of [[banks]]", "[bank.profiles]"))
    assert not is_said("bank", "a bank line")
    assert WORD.findall("PAYOUT_STRIPE StripePlans evm_requests readEVMNow") == [
        *("PAYOUT", "STRIPE", "Stripe", "Plans", "evm", "requests", "read", "EVM", "Now")
    ]


# Libraries that speak to others, and what loads the one that is loaded late.
SPEAKS = {"requests", "urllib.request", "http.client"}


def test_whoever_speaks_to_others_asks_first_whether_it_still_may() -> None:
    """A watcher that was stopped for longer than its lease sends nothing more: another one reads by then."""
    rooms = {"rails", "rates", "notifications"}
    speaking = [path for path in FILES if part(path) in rooms and imports(path) & SPEAKS]
    speaking += [PACKAGE / "rails" / "stripe" / "client.py", PACKAGE / "notifications" / "sender.py"]
    silent = [named(path) for path in speaking if "refuse_if_left()" not in path.read_text(encoding="utf-8")]
    assert not silent, "say refuse_if_left() before each request, or ask by rails.chain.http"


@each([path for path in FILES if not named(path).startswith(MAY_NAME_RAILS)])
def test_a_rail_is_named_in_its_own_folder_alone(path: Path) -> None:
    allowed = NAMES_A_RAIL[named(path)][0] if named(path) in NAMES_A_RAIL else set()
    assert names_a_rail(path) <= allowed, "say it in the rail's record, and read it from assembly.rails"


def test_every_exception_to_that_is_one() -> None:
    found = {name: names_a_rail(PACKAGE / name) for name in NAMES_A_RAIL}
    assert found == {name: rails for name, (rails, reason) in NAMES_A_RAIL.items() if reason}


def says_pure(path: Path) -> bool:
    """Tell whether a module says that it is pure; "Pure but for ..." names what it is not, and is read by people."""
    text = " ".join((ast.get_docstring(tree(path)) or "").split())
    return bool(re.search(r"(?:^|[.:;] )Pure(?!,? but for )\b", text))


SAY_PURE = [path for path in FILES if says_pure(path)]


@each(SAY_PURE)
def test_a_module_that_says_it_is_pure_reaches_for_nothing(path: Path) -> None:
    names = imports(path)
    assert not {name for name in names if name in IMPURE_MODULES or name.split(".")[0] in IMPURE_MODULES}
    assert "support_service.settings" not in names
    clock = {"support_service.giving.utc_now", "support_service.giving.clock.utc_now"} & names
    assert not clock, "take a clock as an argument"


def test_what_must_be_pure_says_so() -> None:
    must = {PACKAGE / name for name in PURE} | set((PACKAGE / "rails").glob("*/method.py"))
    assert sorted(map(named, must - set(SAY_PURE))) == []


# Where a process begins, the time is taken; and what is not the product.
TAKES_THE_TIME = ("commands/", "cli.py", "demo/", "conformance/", "giving/clock.py")


@each([path for path in FILES if not named(path).startswith(TAKES_THE_TIME)])
def test_the_clock_that_is_passed_is_the_clock_that_is_used(path: Path) -> None:
    defaults = {
        id(default)
        for function in functions(path)
        for default in (*function.args.defaults, *function.args.kw_defaults)
        if default is not None
    }
    taken = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id == "utc_now" and id(node) not in defaults)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in {"datetime.now", "date.today", "time.time"})
    ]
    assert not taken, f"take a clock as an argument: {taken}"


@each([path for path in FILES if part(path) in {"web", "app"} or path.name == "method.py"])
def test_what_readers_wait_for_never_imports_web3(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "web3"}


@each(FILES)
def test_sql_stands_in_the_ledger_alone(path: Path) -> None:
    if part(path) != "ledger":
        assert not {name for name in imports(path) if name.split(".")[0] in {"sqlalchemy", "alembic", "sqlite3"}}


CLASSES = {
    (named(path), node.name): node for path in FILES for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)
}


def module_file(module: str) -> str:
    """The file of one of our modules, "" for any other."""
    path = ROOT / module.replace(".", "/")
    found = [one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()]
    return named(found[0]) if found and found[0].is_relative_to(PACKAGE) else ""


@cache
def imported_names(file: str) -> dict[str, tuple[str, str]]:
    """What a file calls by which name: the module of ours it is from, and its name there ("" for a module)."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree(PACKAGE / file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module = module_file(f"{node.module}.{alias.name}")
                found[alias.asname or alias.name] = (module, "") if module else (module_file(node.module), alias.name)
    return found


def class_named(file: str, name: str) -> tuple[str, str] | None:
    """Find the class that a file means by a name; None where it is none of ours."""
    first, _, rest = name.partition(".")
    while (file, first) not in CLASSES:
        if not file or first not in imported_names(file):
            return None
        file, there = imported_names(file)[first]
        first, rest = (there, rest) if there else (rest, "")
    return file, first


def inherited_from(file: str, name: str) -> Iterator[tuple[str, str]]:
    """All classes of ours that a class is built on."""
    for base in CLASSES[file, name].bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        if found := class_named(file, ast.unparse(plain)):
            yield found
            yield from inherited_from(*found)


def private_members(file: str, name: str) -> set[str]:
    """The underscore methods and values that a class defines; Python's own names are none."""
    found: set[str] = set()
    for node in CLASSES[file, name].body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(ast.unparse(target) for target in targets)
    return {member for member in found if member.startswith("_") and not member.startswith("__")}


def test_no_class_overrides_what_another_module_keeps_to_itself() -> None:
    reached = [
        f"{file}: {name} overrides {member} of {base} in {other}"
        for file, name in CLASSES
        for other, base in inherited_from(file, name)
        if other != file
        for member in sorted(private_members(file, name) & private_members(other, base))
    ]
    assert not reached, f"make what differs an object of its own, and hand it over: {reached}"


def test_no_class_inherits_its_parts() -> None:
    """Whoever has parts names them, as the ledger does: `ledger.plans.find(...)`. Protocols may be added up."""
    names = {name for _, name in CLASSES}
    mixed = [
        f"{file}: {name}"
        for (file, name), node in CLASSES.items()
        if "Protocol" not in (bases := [ast.unparse(base).partition("[")[0] for base in node.bases])
        and sum(base in names for base in bases) > 1
    ]
    assert mixed == []


def test_what_a_part_can_do_is_said_by_its_type_and_not_probed() -> None:
    """A part says what it cannot do by a default or by None: whoever asks sees it, and a typo is no missing power."""
    probed = [named(path) for path in FILES if "typing.runtime_checkable" in imports(path)]
    assert probed == [], "give the base class a default, or the record a field that may be None"


# The functions that a newcomer reads to understand the rest.
NUMBERED = {"ledger/accept/__init__.py": "accept_report", "rails/evm/poll.py": "_reports"}
NUMBERED |= {"rails/bitcoin/poll.py": "reports"}


@pytest.mark.parametrize("file", NUMBERED)
def test_the_hard_functions_number_their_steps(file: str) -> None:
    (function,) = [found for found in functions(PACKAGE / file) if found.name == NUMBERED[file]]
    text = ast.get_source_segment((PACKAGE / file).read_text(encoding="utf-8"), function) or ""
    steps = [int(number) for number in re.findall(r"^\s+# (\d+)\. [A-Z]", text, flags=re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= 4


def test_that_is_looked_for_along_every_way_of_naming_a_class() -> None:
    assert class_named("rails/tron/source.py", "EvmSource") == ("rails/evm/source.py", "EvmSource")
    assert ("rails/source.py", "Source") in inherited_from("rails/tron/source.py", "TronSource")
    assert "_check" in private_members("rails/evm/source.py", "EvmSource")


@each(FILES)
def test_a_file_fits_a_head(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= FILE_LINES_MAX_OF.get(named(path), FILE_LINES_MAX), "split it by what it talks about"


@each(FILES)
def test_a_function_fits_a_screen(path: Path) -> None:
    for function in functions(path):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        # A migration is one long list, and is never changed again.
        limit = sys.maxsize if "migrations/versions" in named(path) else FUNCTION_LINES_MAX
        assert lines <= limit, f"{function.name} has {lines} lines; decide here, compute in a helper"
        names = function.args
        positional = [
            argument.arg for argument in names.posonlyargs + names.args if argument.arg not in {"self", "cls"}
        ]
        assert len(positional) <= POSITIONAL_MAX, f"{function.name}: make the rest keyword-only"
        assert len(positional) + len(names.kwonlyargs) <= PARAMETERS_MAX, f"{function.name}: pass a record"
        assert function.returns is not None, f"{function.name} says nothing about what it returns"


@each(FILES)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "one sentence at the top"


def test_errors_are_caught_where_something_can_be_done() -> None:
    found: dict[str, int] = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            if node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"}:
                found[named(path)] = found.get(named(path), 0) + 1
    assert found == BLANKET_EXCEPTS


def test_settings_alone_read_the_environment() -> None:
    readers = {
        named(path)
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"}
    }
    assert readers <= ENVIRONMENT_READERS, "read it in settings.py and pass it down"


@each([path for path in FILES if part(path) in {"money", "giving", "ledger"}])
def test_money_is_never_a_float(path: Path) -> None:
    """Only seconds may be floats where money lives, and nothing is ever made one."""
    for node in ast.walk(tree(path)):
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float"), node.lineno
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation and "'float'" in ast.dump(node.annotation):
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            assert "seconds" in name, f"{named(path)}:{node.lineno}: {name} is a float"


def test_the_code_names_no_publisher() -> None:
    places = [*FILES, *(ROOT / "templates").rglob("*"), *(PACKAGE / "web").rglob("*")]
    texts = {path: path.read_bytes().lower() for path in places if path.is_file() and path.suffix != ".pyc"}
    named_in = [str(path.relative_to(ROOT)) for path, text in texts.items() if b"militarnyi" in text]
    assert not named_in, "a publisher's name stands in the settings alone"


IMPORT_EVERYTHING = """
import builtins, importlib, os, pkgutil, socket, sys
sys.dont_write_bytecode = True

def refuse(*_, **__):
    raise AssertionError("work at import")

plain_open = builtins.open
def reading(file, mode="r", *rest, **named):
    assert not set(mode) & set("wax+"), f"{file} is written at import"
    return plain_open(file, mode, *rest, **named)

import support_service
names = [found.name for found in pkgutil.walk_packages(support_service.__path__, "support_service.")]
names = [name for name in names if name != "support_service.__main__" and ".migrations" not in name]
socket.socket.connect = socket.socket.bind = socket.create_connection = refuse
builtins.open = reading
os.mkdir = os.makedirs = os.rename = os.remove = refuse
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_nothing_happens_at_import() -> None:
    assert int(python(IMPORT_EVERYTHING)) > 20


def test_the_web_process_never_imports_web3() -> None:
    code = "import sys, support_service.server; print(sorted({n.split('.')[0] for n in sys.modules}))"
    loaded = set(ast.literal_eval(python(code)))
    assert {"flask", "granian"} <= loaded
    assert not loaded & {"web3", "eth_abi", "requests", "aiohttp", "numpy", "alembic", "openpyxl", "stripe"}
    assert not loaded & {"authlib", "joserfc"}, "they are for whoever signs in by a provider"
