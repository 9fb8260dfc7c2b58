"""Who is told what happens: the teller and the senders beside the watcher's sources, and `notify test`."""

import secrets
from dataclasses import replace
from functools import cache, partial

import click

from support_service.assembly import Assembly, expected_sources
from support_service.commands.output import Say
from support_service.giving import Clock, utc_now
from support_service.ledger import Ledger
from support_service.ledger.outbox import MessageStanding, News, OutboxMessage
from support_service.manifest.proof import prove
from support_service.money import Money
from support_service.notifications.heartbeat import Heartbeat
from support_service.notifications.letters import Letters
from support_service.notifications.newsroom import Newsroom, Voice
from support_service.notifications.sender import Sender, source_name
from support_service.notifications.settings import LETTERS
from support_service.notifications.smtp import Mailbox
from support_service.notifications.teller import Teller
from support_service.notifications.way import ChannelError, Message
from support_service.notifications.words import staff_message, writer
from support_service.rails.source import Source
from support_service.web.amounts import sum_text
from support_service.web.spoken import speech


def build_notifiers(assembly: Assembly, ledger: Ledger, *, clock: Clock) -> list[Source]:
    """Build what tells people: one that fills the outbox, and one for each channel that empties it."""
    told = assembly.told
    if told.is_empty:
        return []
    room = newsroom(assembly)
    senders = [
        Sender(channel.key, channel.send, writer(channel, room, ledger), ledger.outbox, clock=clock)
        for channel in told.channels
    ]
    if told.mailbox is not None:
        send = partial(send_letter, told.mailbox)
        senders.append(Sender(LETTERS, send, Letters(room, ledger).write, ledger.outbox, clock=clock))
    heart = [Heartbeat(told.heartbeat, ledger.outbox, clock=clock)] if told.heartbeat else []
    return [Teller(room, ledger, clock=clock), *senders, *heart]


def is_notifier(source: str) -> bool:
    """Tell whether a source's name is that of one which tells people."""
    return source.startswith(source_name(""))


def newsroom(assembly: Assembly) -> Newsroom:
    """Gather what the telling knows beside the ledger."""
    publisher = assembly.settings.publisher

    @cache
    def voice(lang: str) -> Voice:
        chosen = lang if lang in publisher.languages else publisher.languages[0]
        return Voice(chosen, speech(chosen), partial(_sum, chosen))

    return Newsroom(
        told=assembly.told,
        publisher=publisher,
        sources=expected_sources(assembly),
        titles={method.key: method.title for method in assembly.methods},
        shown={method.key: "\n".join(row.copied for row in method.rows) for method in assembly.methods if method.rows},
        rails=assembly.rails,
        problems=lambda: prove(assembly.trust, assembly.methods).problems,
        voice=voice,
    )


def send_letter(mailbox: Mailbox, message: Message) -> None:
    """Send a letter to the reader that it is for; raises ChannelDown and ChannelRefused."""
    mailbox.send(
        (message.to,),
        key=message.key,
        subject=message.title,
        text="\n\n".join(message.lines),
        html=message.html,
        at=message.at,
        files=message.files,
    )


def send_test(assembly: Assembly, *, say: Say) -> int:
    """Say one message on every channel, now and past the outbox; return the exit code."""
    told, room, failed = assembly.told, newsroom(assembly), 0
    if told.is_empty:
        click.echo("nobody is told anything: the settings have neither [[notify]] nor [mail]", err=True)
        return 1
    for channel in told.channels:
        try:
            message = staff_message(_test_row(channel.key), room, room.voice(channel.lang))
            channel.send(replace(message, sent_at=utc_now()))
            say(f"{channel.key}: told by {channel.way.name}")
        except ChannelError as error:
            failed += 1
            click.echo(f"{channel.key}: not told by {channel.way.name}: {error}", err=True)
    if told.mailbox is not None:
        failed += not _ask_mailbox(told.mailbox, say)
    return 1 if failed else 0


def _ask_mailbox(mailbox: Mailbox, say: Say) -> bool:
    try:
        mailbox.greet()
    except ChannelError as error:
        click.echo(f"mail: {error}", err=True)
        return False
    say(f"mail: {mailbox.host}:{mailbox.port} takes letters from {mailbox.sender}")
    return True


def _test_row(channel: str) -> OutboxMessage:
    now = utc_now()
    news = News(channel, f"test:{secrets.token_hex(8)}", "", "test", {})
    return OutboxMessage(0, news, now, MessageStanding.WAITING, 1, now, now, "", "", None)


def _sum(lang: str, money: Money) -> str:
    return sum_text(money, lang)
