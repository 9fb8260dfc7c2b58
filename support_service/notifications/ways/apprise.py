"""Whatever Apprise speaks: Matrix, Signal, ntfy, Pushover, Teams, SMS and a hundred more, each by one URL.

`url_file` holds the URL as https://github.com/caronc/apprise/wiki has it. The package is no part of the service:
pip install --require-hashes -r config/lock/apprise.txt.

Apprise says of a message yes or no and not why, so a no is always tried again.
"""

import json
import re
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

from support_service.notifications import apprise_process
from support_service.notifications.way import URL_CHARS_MAX, Around, ChannelDown, Message, Send, Way, read_secret
from support_service.rails.options import Options

# Starting it takes some seconds; it waits for each answer four.
TOTAL_SECONDS_MAX = 45.0
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.ASCII | re.IGNORECASE)
_WRONG = "must hold one URL of Apprise, such as ntfys://ntfy.example.org/topic"


def _read(options: Options, around: Around) -> Send | None:
    url = read_secret(options, "url_file", around)
    if url and (not _URL.fullmatch(url) or len(url) > URL_CHARS_MAX):
        options.reject("url_file", _WRONG)
        url = ""
    if find_spec("apprise") is None:
        options.reject("channel", "apprise is not installed: pip install --require-hashes -r config/lock/apprise.txt")
        return None
    return partial(speak, url, TOTAL_SECONDS_MAX) if url else None


def speak(url: str, total_seconds: float, message: Message) -> None:
    """Say one message within so many seconds; raises ChannelDown."""
    # Apprise takes no message without a body.
    body = "\n".join(part for part in (*message.lines, message.link) if part) or message.title
    # The URL is a secret, and every process of the machine sees arguments; settings alone say how it is reached.
    command = [sys.executable, "-I", "-X", "utf8", "-W", "ignore", apprise_process.__file__]
    told = json.dumps({"url": url, "title": message.title, "body": body}).encode()
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, input=told, capture_output=True, env={}, timeout=total_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ChannelDown(f"apprise: no answer in {total_seconds:.0f} s") from None
    if done.returncode == apprise_process.UNKNOWN_URL:
        raise ChannelDown("apprise: the URL in url_file is of no service that it knows")
    if done.returncode != apprise_process.TAKEN:
        # It may be this one message that it stumbles over: others are told meanwhile.
        raise ChannelDown("apprise: it was not taken; is the URL in url_file still right?", is_whole=False)


APPRISE = Way("apprise", _read)
