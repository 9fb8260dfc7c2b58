"""The real server: what it refuses by itself, and a worker that no longer hears."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

from support_service import server
from tests.fixtures.database import prepare
from tests.fixtures.service import ROOT, answer, free_port, until
from tests.load.serving import WebServer


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("web")
    prepare(url := f"sqlite:///{folder}/support.db")
    made = WebServer(folder, url, "")
    try:
        made.start()
        yield made
    finally:
        made.end()


def told(web: WebServer, sent: bytes) -> bytes:
    """Send bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as line:
        line.sendall(sent)
        heard = b""
        while piece := line.recv(65_536):
            heard += piece
        return heard


def test_what_is_no_request_of_ours_is_let_go_and_the_page_stays(web: WebServer) -> None:
    host = f"Host: 127.0.0.1:{web.port}\r\n".encode()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    asked = {
        "nothing": b"",
        "half a head": b"GET /support HTTP/1.1\r\nHo",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "an upgrade": b"GET /support HTTP/1.1\r\n" + host + upgrade + b"\r\n",
        "a large head": b"GET /support HTTP/1.1\r\n" + host + b"X: " + b"a" * 400_000 + b"\r\n\r\n",
        "another host": b"GET http://evil.example/support HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        "half a body": b"POST /card HTTP/1.1\r\n" + host + b"Content-Length: 9\r\n\r\na",
    }
    # All at once: most of them are let go only when their time is up.
    with ThreadPoolExecutor(len(asked)) as pool:
        heard = dict(zip(asked, pool.map(partial(told, web), asked.values()), strict=True))
    assert heard["nothing"] == heard["half a head"] == b""
    assert not heard["HTTP/2"].startswith(b"HTTP/2")
    assert heard["an upgrade"].startswith(b"HTTP/1.1 200")
    assert heard["a large head"][9:12] == b"431"
    assert heard["another host"][9:12] == b"400"
    assert heard["half a body"].startswith(b"HTTP/1.1 408")
    assert answer(f"{web.url}/support")[0] == 200


def test_cookies_and_other_repeated_headers_all_go_out(web: WebServer) -> None:
    page = f"GET /staff/login HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nConnection: close\r\n\r\n"
    assert told(web, page.encode()).lower().count(b"set-cookie: support_staff_login=") == 1


# Says when it was heard: from then on three silences are enough, and before it may be starting on a busy machine.
DEAF = """
import sys
from support_service import server
server.ASK_SECONDS, server.ANSWER_SECONDS_MAX = 0.3, 1.0
server.SILENCES_AT_START_MAX = 40
ask = server.answers
server.answers = lambda host, port: ask(host, port) and print("heard", flush=True) is None
from support_service.__main__ import main
sys.argv = ["support-service", *sys.argv[1:]]
main()
"""


def test_a_worker_that_hears_nothing_is_replaced(tmp_path: Path) -> None:
    prepare(url := f"sqlite:///{tmp_path}/support.db")
    web = WebServer(tmp_path, url, "")
    settings = str(tmp_path / "support.toml")
    command = [sys.executable, "-c", DEAF, "--config", settings, "web", "--port", str(web.port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        try:
            assert running.stdout is not None and b"heard\n" in running.stdout
            (worker,) = psutil.Process(running.pid).children()
            # Well, but deaf: nothing of the process ends, and no reader gets an answer.
            worker.send_signal(signal.SIGSTOP)
            until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, what="it is replaced")
            until(lambda: answer(f"{web.url}/support")[0] == 200, what="another answers")
        finally:
            running.terminate()
            running.wait(30)


def test_a_server_that_is_not_there_does_not_answer(web: WebServer) -> None:
    assert server.answers("127.0.0.1", web.port)
    assert not server.answers("127.0.0.1", free_port())
