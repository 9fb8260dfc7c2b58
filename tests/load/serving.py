"""The web server as `support-service web` starts it, killed with -9 and started again."""

import signal
import tempfile
from pathlib import Path

import psutil

from tests.fixtures.service import SEED, Running, answer, free_port, until, write_settings


class WebServer:
    """Real processes: the server's parent and its worker. Everything of it lies in one folder."""

    def __init__(
        self, folder: Path, database_url: str, stripe_table: str, *, web: str = "", is_cold: bool = False
    ) -> None:
        self.port = free_port()
        self._folder, self._is_cold = folder, is_cold
        text = SEED.replace("sqlite:///support.db", database_url) + stripe_table
        text += f"\n[web]\n{web}\n" if web else ""
        self._settings = write_settings(folder, text)
        self._running: Running | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def worker(self) -> int:
        """The process that answers, by its id."""
        (worker,) = self._here().descendants()
        return int(worker.pid)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = Path(tempfile.mkdtemp(prefix="web-", dir=self._folder)) / "process"
        self._running = Running(
            folder, ("--config", self._settings, "web", "--port", self.port), {}, is_cold=self._is_cold
        )
        until(lambda: answer(f"{self.url}/healthz")[0] == 200, what="the web server answers")

    def kill(self) -> None:
        """Kill every process of it at once, as kill -9 and the kernel's memory killer do."""
        running = self._here()
        doomed = [psutil.Process(running.process.pid), *running.descendants()]
        for one in doomed:
            one.send_signal(signal.SIGKILL)
        running.process.wait(30)
        psutil.wait_procs(doomed, timeout=30)

    def kill_worker(self) -> None:
        """Kill the process that answers; its parent must replace it."""
        worker = psutil.Process(self.worker)
        worker.send_signal(signal.SIGKILL)
        psutil.wait_procs([worker], timeout=30)

    def complained(self) -> str:
        """Return what the last of its lives wrote to standard error."""
        return self._here().complained()

    def end(self) -> None:
        """Leave no process behind."""
        if self._running is not None:
            self._running.end()

    def _here(self) -> Running:
        assert self._running is not None, "start it first"
        return self._running
