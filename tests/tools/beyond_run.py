"""Print what the tests' lock file names and the service's does not, hashes and all: both are installed at once.

python tests/tools/beyond_run.py config/lock/run.txt config/lock/test.txt
"""

import re
import sys
from pathlib import Path

# One entry: a name, its version, and the hashes on the lines after it.
ENTRY = re.compile(r"^[\w.-]+==\S+ \\\n(?:    --hash=.*\n?)+", re.MULTILINE)


def main() -> None:
    """Read both and print what is left."""
    run, test = (ENTRY.findall(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:])
    assert set(run) <= set(test), "the tests' lock file holds all of the service's: lock both anew"
    sys.stdout.writelines(entry for entry in test if entry not in set(run))


if __name__ == "__main__":
    main()
