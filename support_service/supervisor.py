"""Child processes: started, kept alive, and never left behind.

No child outlives its parent, however the parent ends: on Linux the kernel sends the child SIGTERM
(PR_SET_PDEATHSIG); elsewhere a clean stop does, and only a parent killed with -9 leaves children.
"""

import _thread
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 15
RESTART_SECONDS_FIRST = 1
RESTART_SECONDS_MAX = 60
# A child that lived this long was well: its next crash is again the first.
WELL_AFTER_SECONDS = 60
TURN_SECONDS = 0.2

# What a child of ours ends with where trying again cannot help: its settings are broken, its database is of
# another version. EX_CONFIG of sysexits.h; people's commands end with 1 all the same.
PERMANENT_CODE = 78

_PR_SET_PDEATHSIG = 1


class ProcessError(Exception):
    """A process cannot be started; the text is for people, one line."""


class Permanent(ProcessError):
    """A child said that its fault will not pass: it has told why, and starting it again helps nobody."""


class NoSuchHost(ProcessError):
    """What `--host` names is no address to listen on."""


def listening_address(host: str) -> str:
    """Find the address of this machine that `--host` means: an IP address, in brackets or not, or a host name.

    Raises NoSuchHost. A name is looked up once, here: the server below knows addresses alone.
    """
    text = host.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        found = socket.getaddrinfo(text, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE) if text else []
    except (OSError, UnicodeError):
        found = []
    # Where a name means both, IPv4 comes first: that is what proxies are told.
    addresses = sorted((one[0] != socket.AF_INET, str(one[4][0])) for one in found)
    if not addresses or "%" in addresses[0][1]:
        raise NoSuchHost(f"cannot listen on {host[:80]!r}: it is no address of this machine; choose another --host")
    return addresses[0][1]


def reserve_port(host: str, port: int) -> int:
    """Make sure the port is free and return it (a free one for port 0); raise ProcessError if it is not.

    The server itself listens with SO_REUSEPORT, under which two services would silently share one
    port, each answering some of the readers; so we look first, without it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise ProcessError(
            f"cannot listen on {host}:{port} ({_reason(error)}); choose another --host or --port"
        ) from error


def accepts_connections(host: str, port: int) -> bool:
    """Tell whether somebody listens there now."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process with SIGTERM when its parent, of this id, ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(0)  # the parent ended before we asked


def set_on_signals(stopping: threading.Event, *numbers: signal.Signals) -> None:
    """Let these signals set an event that the main thread waits for."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # Not here: a handler runs within the main thread, which may hold the event's lock just now and would wait for
        # itself for ever. A bare thread, as beginning one of `threading` takes locks, too.
        _thread.start_new_thread(stopping.set, ())

    for number in numbers:
        signal.signal(number, on_signal)


@dataclass(slots=True)
class Child:
    """One process that is to run: its name for people, its command and its environment.

    A vital one cannot be started again, for it takes what it knew along: its end is an error.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_vital: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    restart_at: float = 0.0
    crashes: int = 0


@dataclass(slots=True)
class Supervisor:
    """Keeps children running: a crashed one is started again after 1, 2, 4 ... 60 seconds.

    Permanent is raised where a child says that its fault will not pass.
    """

    stopping: threading.Event = field(default_factory=threading.Event)
    children: list[Child] = field(default_factory=list)

    def stop_on_signals(self) -> None:
        """Let SIGINT, SIGTERM and SIGHUP end `run` in good order."""
        set_on_signals(self.stopping, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def start(self, child: Child) -> None:
        """Start a child and keep it."""
        self.children.append(child)
        _start(child)

    def run(self, every_turn: Callable[[], None] = lambda: None) -> None:
        """Watch the children until a signal comes; `every_turn` is called between looks."""
        while not self.stopping.wait(TURN_SECONDS):
            self._revive_all()
            every_turn()

    def wait_until(self, is_so: Callable[[], bool], seconds_max: float) -> bool:
        """Run until something is so; False where a signal or the time limit came first."""
        deadline = time.monotonic() + seconds_max
        while not is_so():
            if self.stopping.wait(TURN_SECONDS) or time.monotonic() > deadline:
                return False
            self._revive_all()
        return True

    def stop(self) -> None:
        """End every child, in good order if it does so in time; none is left."""
        for child in reversed(self.children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for child in self.children:
            _await_end(child, deadline)

    def _revive_all(self) -> None:
        for child in self.children:
            _revive(child, time.monotonic())


def start_process(child: Child) -> "subprocess.Popen[bytes]":
    """Start what a child is. A group of its own: Ctrl-C in a terminal reaches the supervisor alone, which ends them."""
    # The prctl runs between fork and exec in a process without other threads.
    return subprocess.Popen(  # noqa: S603 - our own command
        child.command,
        env=dict(child.environment),
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - see above
    )


def _start(child: Child) -> None:
    child.process = start_process(child)
    child.started_at = time.monotonic()
    log.debug("child_started", extra={"child": child.name, "pid": child.process.pid})


def _revive(child: Child, now: float) -> None:
    if child.process is None:
        if now >= child.restart_at:
            _start(child)
        return
    code = child.process.poll()
    if code is None:
        return
    if code == PERMANENT_CODE:
        raise Permanent(f"{child.name} cannot go on; what it said above will not pass by itself")
    if child.is_vital:
        raise ProcessError(f"{child.name} ended by itself (exit code {code})")
    child.crashes = 1 if now - child.started_at > WELL_AFTER_SECONDS else child.crashes + 1
    pause = min(RESTART_SECONDS_FIRST * 2 ** (child.crashes - 1), RESTART_SECONDS_MAX)
    child.process, child.restart_at = None, now + pause
    log.warning("child_ended", extra={"child": child.name, "code": code, "restart_in_seconds": pause})


def _await_end(child: Child, deadline: float) -> None:
    if child.process is None:
        return
    try:
        child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        log.warning("child_killed", extra={"child": child.name, "seconds": STOP_SECONDS_MAX})
        child.process.kill()
        child.process.wait()


def _reason(error: OSError | OverflowError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "no such port"
