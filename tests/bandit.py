"""`make bandit`: what bandit finds in the product, each with our reason; ends with 1 for what has none, or needs none.

Reasons stand here and not beside the code, which has those of ruff's own rules of the same names.
"""

import json
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "support_service"

# Of no use to us anywhere.
NOT_ASKED = {
    "B101": "assertions state what our own code owes; what the world sends is checked by `raise`",
    "B413": "Crypto is pycryptodome here, which is maintained, and not pyCrypto",
    "B404": "that a module may start programs says nothing; each that is started is B603",
}
# (rule, file) -> why it is right there.
REASONS = {
    ("B104", "commands/run.py"): "0.0.0.0 is read, to be shown as loopback; where we listen says --host",
    ("B104", "server.py"): "the same, to ask ourselves whether we hear",
    ("B105", "demo/bank/__init__.py"): "a token of the demo; it guards nothing",
    ("B105", "demo/mono/__init__.py"): "a token of the demo; it guards nothing",
    ("B105", "notifications/settings.py"): "an empty text: there is no password until a file is read",
    ("B105", "rails/bank/calls.py"): "what a secret is for, and not the secret",
    ("B107", "rails/bank/live/connection.py"): "an empty text: there is no token until a file is read",
    (
        "B301",
        "rails/bank/statements/statement.py",
    ): "bytes that this process has pickled itself, and that never left it",
    ("B403", "rails/bank/statements/statement.py"): "the same",
    ("B311", "watcher.py"): "rests that differ; nobody gains by guessing one",
    ("B405", "rails/bank/statements/tables.py"): "an error's class; what parses is defusedxml",
    ("B406", "rails/bank/statements/xml_elements.py"): "it writes entities; what parses is defusedxml",
    ("B603", "ledger/backup/postgresql.py"): "pg_dump and its kin, by a list of arguments and no shell",
    (
        "B603",
        "notifications/ways/apprise.py",
    ): "our own file, by our own Python; what is said goes in by standard input",
    ("B603", "supervisor.py"): "our own commands, by a list of arguments and no shell",
    ("B608", "ledger/migrations/versions/0007_names_of_rails.py"): "names of our own tables, none from outside",
    ("B608", "ledger/rows.py"): "names of our own columns; every value is bound",
    ("B704", "web/layout.py"): "a picture that we draw ourselves; the one text in it is escaped where it is drawn",
}


def main() -> int:
    """Ask bandit, and tell what is new and what is no longer found."""
    asked = [sys.executable, "-m", "bandit", "-q", "-r", str(PACKAGE), "-f", "json", "-s", ",".join(NOT_ASKED)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    found = {(one["test_id"], _named(one["filename"])): one for one in told["results"]}
    for key, one in sorted(found.items()):
        if key not in REASONS:
            print(f"{key[1]}:{one['line_number']}: {key[0]} {one['issue_text']}")
    for rule, file in sorted(set(REASONS) - set(found)):
        print(f"tests/bandit.py: {rule} is found in {file} no more: take its reason out")
    if told["errors"]:
        print(f"bandit could not read {[one['filename'] for one in told['errors']]}")
    is_clean = set(found) == set(REASONS) and not told["errors"]
    print(f"bandit: {len(REASONS)} places with a reason, {len(set(found) - set(REASONS))} without")
    return 0 if is_clean else 1


def _named(file: str) -> str:
    return str(Path(file).resolve().relative_to(PACKAGE))


if __name__ == "__main__":
    sys.exit(main())
