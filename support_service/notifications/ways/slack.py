"""A Slack channel, by an incoming webhook (also what speaks as one: Mattermost, Discord with /slack at the end).

`url_file` holds the address that Slack gives for it: https://hooks.slack.com/services/...
"""

import json
from functools import partial

from support_service.notifications.way import Around, ChannelDown, Message, Send, Way, post, read_url
from support_service.rails.options import Options


def _read(options: Options, around: Around) -> Send | None:
    url = read_url(options, around)
    return partial(_send, url) if url else None


def _send(url: str, message: Message) -> None:
    answer = post(url, json.dumps({"text": escaped(message.text)}).encode(), {"Content-Type": "application/json"})
    if answer.status != 200:
        told = f"Slack answers HTTP {answer.status}; is the address in url_file still right?"
        raise ChannelDown(told, retry_after_seconds=answer.retry_after_seconds or 0)


def escaped(text: str) -> str:
    """Write a text so that Slack reads no link and no call to everybody in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


SLACK = Way("slack", _read)
