"""Signed messages to a program of yours, as Standard Webhooks has them: facts as JSON, and who sent them proved.

    webhook-id: gift:3f9a...:17               the same on every try: whoever took it once leaves it the next time
    webhook-timestamp: 1795867200             seconds since the epoch, of this try
    webhook-signature: v1,<base64>            HMAC-SHA256 over "<id>.<timestamp>.<body>"

Every answer of 200 to 299 is a yes; after any other it is tried again, with growing rests, for three days.
"""

import base64
import hashlib
import hmac
import json
import re
from functools import partial

from support_service.notifications.way import (
    Around,
    ChannelDown,
    ChannelRefused,
    Message,
    Send,
    Way,
    post,
    read_secret,
    read_url,
)
from support_service.rails.options import Options

SECRET_BYTES_MIN = 16
# A secret may be written as the standard's libraries do.
_PREFIX = "whsec_"
_UNSAFE = re.compile(r"[^A-Za-z0-9:+_-]")
# Who answers so wants no more of it (RFC 9110, 15.5.11).
GONE = 410


def _read(options: Options, around: Around) -> Send | None:
    url, secret = read_url(options, around), read_secret(options, "secret_file", around)
    key = read_key(secret)
    if secret and len(key) < SECRET_BYTES_MIN:
        options.reject(
            "secret_file", f"must hold a secret of {SECRET_BYTES_MIN} bytes or more: openssl rand -base64 32"
        )
        return None
    return partial(_send, url, key) if url and key else None


def read_key(secret: str) -> bytes:
    """Read the key of a secret: what follows whsec_ is base64, anything else is taken as it is."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return b""


def signature(key: bytes, name: str, timestamp: str, body: bytes) -> str:
    """Sign a message as a receiver checks it."""
    told = b".".join((name.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()


def _send(url: str, key: bytes, message: Message) -> None:
    # What stands between the parts of what is signed stands in none of them.
    name = _UNSAFE.sub("_", message.key)
    told = {"id": name, "type": message.kind, "at": message.at.isoformat(), "data": dict(message.facts)}
    body = json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
    assert message.sent_at is not None
    timestamp = str(int(message.sent_at.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(key, name, timestamp, body),
    }
    answer = post(url, body, headers)
    if answer.status == GONE:
        raise ChannelRefused("it answers HTTP 410: it wants none of these any more")
    if not 200 <= answer.status < 300:
        # It may be this one message that it stumbles over: others are told meanwhile.
        raise ChannelDown(
            f"it answers HTTP {answer.status}", is_whole=False, retry_after_seconds=answer.retry_after_seconds or 0
        )


WEBHOOK = Way("webhook", _read, is_for_programs=True)
