"""The web server: one worker process behind the door, replaced when it crashes or goes deaf.

The app is imported before the worker is forked, so that both share its code in memory.
"""

import ctypes
import http.client
import logging
import multiprocessing
import resource
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import cast

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from support_service.app import warm_door
from support_service.assembly import Assembly
from support_service.door import Door
from support_service.log import configure_logging
from support_service.supervisor import ProcessError, die_with_parent, reserve_port

log = logging.getLogger(__name__)

# Who has not said all of a request's head by then, or says nothing more, is let go; a proxy opens anew.
HEAD_MILLISECONDS_MAX = 5_000
# Head of a request: an address with an article (see QUERY_BYTES_MAX), cookies, and room.
HEAD_BYTES_MAX = 32_768
# Connections at once, whatever they do; where the machine allows fewer files, fewer.
CONNECTIONS_MAX = 16_384
FILES_FOR_US = 256
BACKLOG = 2_048
STOP_SECONDS_MAX = 8

# The event loop shares Python's lock with the threads: they hand it over within this time.
SWITCH_SECONDS = 0.000_5
# glibc keeps memory for each thread apart and gives little of it back; two such stores serve all of them.
_M_ARENA_MAX, ARENAS_MAX = -8, 2

# The worker is asked whether it hears, as a reader would ask; after so many silences it is replaced.
ASK_SECONDS, ANSWER_SECONDS_MAX, SILENCES_MAX = 5.0, 5.0, 3
# One that was not heard yet may still be starting.
SILENCES_AT_START_MAX = 12


def serve_web(assembly: Assembly, host: str, port: int) -> None:
    """Serve the web part until SIGINT or SIGTERM; a worker that crashes or goes deaf is replaced.

    Raises ProcessError where the port is taken or the workers crash as soon as they start.
    """
    serve(partial(warm_door, assembly), host, reserve_port(host, port))


def serve(load: Callable[[], Door], host: str, port: int) -> None:
    """Serve what `load` builds inside the worker process, until SIGINT or SIGTERM."""
    server = MPServer(
        target="support_service.app:load_door",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MILLISECONDS_MAX, max_buffer_size=HEAD_BYTES_MAX),
        backlog=BACKLOG,
        backpressure=_connections_max(),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS_MAX,
        log_level=LogLevels.error,
        log_dictconfig=_SERVER_LOG,
    )
    threading.Thread(target=_replace_the_deaf, args=(server, host, port), daemon=True).start()
    try:
        server.serve(
            target_loader=cast("Callable[[], Callable[..., object]]", partial(_in_worker, load)), wrap_loader=False
        )
    except SystemExit as ended:
        if ended.code:
            raise ProcessError("the web worker could not be kept running; the log above says why") from ended


# The server's own messages go where ours go; standard output is for people.
_SERVER_LOG = {
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}


def _in_worker(load: Callable[[], Door]) -> Door:
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    configure_logging()
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS_MAX)
    return load()


def _connections_max() -> int:
    """Open as many files as this machine lets us, and leave some for ourselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + FILES_FOR_US
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(FILES_FOR_US, soft - FILES_FOR_US)


def _replace_the_deaf(server: MPServer, host: str, port: int) -> None:
    """End a worker that does not answer; the server then starts another."""
    silences, was_heard = 0, False
    pause = threading.Event()
    while not pause.wait(ASK_SECONDS):
        if answers(host, port):
            silences, was_heard = 0, True
            continue
        silences += 1
        if silences < (SILENCES_MAX if was_heard else SILENCES_AT_START_MAX):
            continue
        log.error("worker_deaf", extra={"silences": silences, "seconds": silences * ASK_SECONDS})
        for worker in server.wrks:
            worker.inner.kill()
        silences, was_heard = 0, False


def answers(host: str, port: int) -> bool:
    """Tell whether the web part there answers that it is alive."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where it listens everywhere
    connection = http.client.HTTPConnection(reached, port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
