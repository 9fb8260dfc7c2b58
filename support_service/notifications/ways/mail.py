"""E-mail to people of yours, through the mailbox of [mail]."""

from functools import partial

from support_service.notifications.smtp import Mailbox, is_address
from support_service.notifications.way import Around, Message, Send, Way
from support_service.rails.options import Options

ADDRESSES_MAX = 20


def _read(options: Options, around: Around) -> Send | None:
    to = options.texts("to")
    if not to and not options.has_mistake("to"):
        options.reject("to", 'is missing: who is told, such as ["editor@example.com"]')
    wrong = [place for place, address in enumerate(to, 1) if not is_address(address)]
    if wrong:
        options.reject("to", f"entry {wrong[0]} is no e-mail address")
    if len(to) > ADDRESSES_MAX:
        options.reject("to", f"names more than {ADDRESSES_MAX}; name a list of your mail server instead")
    if around.mailbox is None:
        options.reject("channel", "mail goes out through [mail]: set host and from there")
    if around.mailbox is None or options.has_mistake("to"):
        return None
    return partial(_send, around.mailbox, to)


def _send(mailbox: Mailbox, to: tuple[str, ...], message: Message) -> None:
    body = "\n".join((*message.lines, *([message.link] if message.link else [])))
    mailbox.send(to, key=message.key, subject=message.title, text=body, html=message.html, at=message.at)


MAIL = Way("mail", _read)
