"""The web server: one worker process that answers readers, replaced when it crashes.

The app is imported before the worker is forked, so that both share its code in memory.
"""

import multiprocessing
from collections.abc import Callable
from functools import partial

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from support_service.app import create_app
from support_service.assembly import Assembly
from support_service.log import configure_logging
from support_service.supervisor import ProcessError, die_with_parent, reserve_port

# One process answers the page at thousands of requests a second; threads are for slow downloads,
# which must not hold up readers.
THREADS = 16
# Requests that may wait while all threads are busy; beyond it the kernel's backlog holds connections.
REQUESTS_WAITING_MAX = 256
STOP_SECONDS_MAX = 8


def serve_web(assembly: Assembly, host: str, port: int) -> None:
    """Serve the web part until SIGINT or SIGTERM; a crashed worker is replaced.

    Raises ProcessError where the port is taken or the workers crash as soon as they start.
    """
    serve_wsgi(partial(create_app, assembly), host, reserve_port(host, port))


def serve_wsgi(load: Callable[[], Flask], host: str, port: int) -> None:
    """Serve the app that `load` builds inside the worker process, until SIGINT or SIGTERM."""
    server = Server(
        target="support_service.app:wsgi",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        backpressure=REQUESTS_WAITING_MAX,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS_MAX,
        log_level=LogLevels.error,
        log_dictconfig=_SERVER_LOG,
    )
    try:
        server.serve(target_loader=partial(_in_worker, load), wrap_loader=False)
    except SystemExit as ended:
        if ended.code:
            raise ProcessError("the web worker could not be kept running; the log above says why") from ended


# The server's own messages go where ours go; standard output is for people.
_SERVER_LOG = {
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}


def _in_worker(load: Callable[[], Flask]) -> Flask:
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    configure_logging()
    return load()
