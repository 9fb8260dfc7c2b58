"""Load on loopback, by wrk."""

import re
import subprocess
import tempfile
from pathlib import Path

CONNECTIONS = 32


def requests_a_second(port: int, path: str, seconds: int, *, script: str = "") -> float:
    """Ask for one path, or for what a script of wrk says, as often as possible; every answer must be whole."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        Path(file.name).write_text(script, encoding="utf-8")
        told = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", file.name, f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        ).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert found, told
    assert "Non-2xx" not in told, told
    return float(found[1])


def generator() -> str:
    """Name what makes the load."""
    return "wrk"
