"""Long output, to standard output or to a file that is either whole or not there."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_lines(lines: Iterable[str], out: Path | None) -> None:
    """Write lines as they come; a file gets its name only when all of them are in it. Raises OSError."""
    if out is None:
        for line in lines:
            # Bytes, because a CSV line ends with CR LF on every system.
            sys.stdout.buffer.write(line.encode())
        sys.stdout.buffer.flush()
        return
    if out.exists() and not out.is_file():
        with out.open("wb") as device:  # /dev/stdout, a named pipe: nothing to put in its place
            device.writelines(line.encode() for line in lines)
        return
    with tempfile.NamedTemporaryFile("wb", dir=out.parent, prefix=f".{out.name}.", delete=False) as part:
        path = Path(part.name)
        try:
            part.writelines(line.encode() for line in lines)
            part.flush()
            path.replace(out)
        finally:
            path.unlink(missing_ok=True)
