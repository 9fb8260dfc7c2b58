"""A small load generator on loopback: wrk where it is installed, else processes of the standard library."""

import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

CONNECTIONS = 16
PROCESSES = 2


def requests_a_second(port: int, path: str, seconds: int) -> float:
    """Ask for one path as often as possible for some seconds; every answer must be whole."""
    if shutil.which("wrk"):
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", told)
        assert found, told
        assert "Non-2xx" not in told, told
        return float(found[1])
    command = [sys.executable, "-m", "tests.bench.load", str(port), path, str(seconds)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    return sum(int(process.communicate(timeout=seconds + 30)[0]) for process in running) / seconds


def generator() -> str:
    """Name what makes the load."""
    return "wrk" if shutil.which("wrk") else "the bench's own generator"


def _ask(port: int, path: str, seconds: int) -> int:
    """Ask over one kept connection until time is up; return how many answers came."""
    question = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    count, until = 0, time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, connection.makefile("rb") as answers:
        while time.monotonic() < until:
            connection.sendall(question)
            assert answers.readline().startswith(b"HTTP/1.1 200")
            length = 0
            while (line := answers.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert len(answers.read(length)) == length > 0
            count += 1
    return count


def main() -> None:
    """Print how many answers this process got."""
    port, path, seconds = sys.argv[1:]
    with ThreadPoolExecutor(CONNECTIONS // PROCESSES) as pool:
        asked = [pool.submit(_ask, int(port), path, int(seconds)) for _ in range(CONNECTIONS // PROCESSES)]
        print(sum(one.result() for one in asked))


if __name__ == "__main__":
    main()
