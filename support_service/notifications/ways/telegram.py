"""A Telegram chat, by a bot of yours.

`url_file` holds https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=<CHAT>: the token is BotFather's, the chat one
that the bot was added to.
"""

import json
from functools import partial
from urllib.parse import parse_qs, urlsplit

from support_service.notifications.way import Around, ChannelDown, Message, Send, Way, post, read_url
from support_service.rails.options import Options

# Telegram refuses longer ones.
TEXT_CHARS_MAX = 4_000


def _read(options: Options, around: Around) -> Send | None:
    url = read_url(options, around)
    if not url:
        return None
    parts = urlsplit(url)
    chat = parse_qs(parts.query).get("chat_id", [""])[0]
    if not parts.path.endswith("/sendMessage") or not chat:
        options.reject("url_file", "must hold .../bot<TOKEN>/sendMessage?chat_id=<CHAT>")
        return None
    return partial(_send, parts._replace(query="").geturl(), chat)


def _send(url: str, chat: str, message: Message) -> None:
    # No parse_mode: what stands in a text is text.
    told = {"chat_id": chat, "text": message.text[:TEXT_CHARS_MAX], "disable_web_page_preview": True}
    answer = post(url, json.dumps(told).encode(), {"Content-Type": "application/json"})
    if answer.status != 200:
        told_why = f"Telegram answers HTTP {answer.status}; are bot and chat in url_file still right?"
        raise ChannelDown(told_why, retry_after_seconds=answer.retry_after_seconds or 0)


TELEGRAM = Way("telegram", _read)
