"""What a command says to people, and long output: to standard output or a file that is whole or not there."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

# Says one line to whoever started the command.
Say: TypeAlias = Callable[[str], object]


def write_chunks(chunks: Iterable[bytes], out: Path | None) -> None:
    """Write bytes as they come; a file gets its name only when all of them are in it. Raises OSError."""
    if out is None:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    if out.exists() and not out.is_file():
        with out.open("wb") as device:  # /dev/stdout, a named pipe: nothing to put in its place
            device.writelines(chunks)
        return
    with tempfile.NamedTemporaryFile("wb", dir=out.parent, prefix=f".{out.name}.", delete=False) as part:
        path = Path(part.name)
        try:
            part.writelines(chunks)
            part.flush()
            path.replace(out)
        finally:
            path.unlink(missing_ok=True)
