"""[mail] and [[notify]]: what is right is read, what is wrong is told all at once, and no secret is repeated."""

from pathlib import Path

import pytest

from support_service.assembly import Assembly, assemble
from support_service.commands.check import warning_lines
from support_service.notifications.events import Event
from support_service.notifications.settings import USUAL
from support_service.settings import SettingsError
from tests.fixtures.mail import MailServer
from tests.fixtures.newsroom import SECRET, Program, webhook_table
from tests.fixtures.service import SEED, Command, write_settings

MAIL = '[mail]\nhost = "smtp.example.org"\nfrom = "support@example.org"\n'


def read(folder: Path, tables: str) -> Assembly:
    return assemble(write_settings(folder, f"{SEED}\n{tables}"))


def mistakes(folder: Path, tables: str) -> list[str]:
    with pytest.raises(SettingsError) as told:
        read(folder, tables)
    return [f"{mistake.key}: {mistake.reason}" for mistake in told.value.mistakes]


def secret(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_without_either_nobody_is_told(tmp_path: Path) -> None:
    assert read(tmp_path, "").told.is_empty


def test_mail_is_encrypted_unless_it_stays_on_this_machine(tmp_path: Path) -> None:
    for table, security in (
        (MAIL, "starttls"),
        (MAIL + "port = 465\n", "tls"),
        (MAIL.replace("smtp.example.org", "127.0.0.1"), "none"),
    ):
        mailbox = read(tmp_path, table).told.mailbox
        assert mailbox is not None and mailbox.security == security
    (told,) = mistakes(tmp_path, MAIL + 'security = "none"\n')
    assert told.startswith("mail.security: none is for a server on this machine")


def test_what_is_told_where_nothing_is_said_of_events(tmp_path: Path) -> None:
    url = secret(tmp_path, "slack.url", "https://hooks.slack.com/services/T/B/SECRET\n")
    table = f'[[notify]]\nchannel = "slack"\nurl_file = "{url}"\n'
    (channel,) = read(tmp_path, table).told.channels
    assert channel.events == USUAL and Event.GIFT not in USUAL
    (channel,) = read(tmp_path, table + 'min_amount = "1000 UAH"\n').told.channels
    assert channel.events == USUAL | {Event.LARGE_GIFT}


def test_every_mistake_is_told_at_once_and_no_secret(tmp_path: Path) -> None:
    plain = secret(tmp_path, "plain.url", "http://example.org/SECRETPATH")
    short = secret(tmp_path, "short.secret", "SHORT")
    told = mistakes(
        tmp_path,
        '[[notify]]\nchannel = "pigeon"\n'
        f'[[notify]]\nchannel = "webhook"\nurl_file = "{plain}"\nsecret_file = "{short}"\n'
        'events = ["gifts"]\ncolour = 1\n'
        '[[notify]]\nchannel = "telegram"\nurl_file = "nowhere"\n'
        '[[notify]]\nchannel = "mail"\nto = ["nobody"]\nevents = ["large_gift"]\ndigest = "hourly"\n',
    )
    assert [line.split(":")[0] for line in told] == [
        "notify.pigeon.channel",
        "notify.webhook.events",
        "notify.webhook.url_file",
        "notify.webhook.secret_file",
        "notify.webhook.colour",
        "notify.telegram.url_file",
        "notify.mail.min_amount",
        "notify.mail.digest",
        "notify.mail.to",
        "notify.mail.channel",
    ]
    assert "SECRETPATH" not in "".join(told) and "SHORT" not in "".join(told)


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("[mail]\n", ["mail.host", "mail.from"]),
        ('[mail]\nhost = "a b"\nfrom = "x"\nport = 0\n', ["mail.host", "mail.port", "mail.from"]),
        (MAIL.replace("example.org", "example.org:25", 1), ["mail.host"]),
        (MAIL + 'user = "paper"\n', ["mail"]),
        (MAIL + 'letters = ["poems"]\n', ["mail.letters"]),
        (MAIL + 'password_file = "nowhere"\nuser = "paper"\n', ["mail.password_file"]),
        ("[manifest]\n", ["manifest.public_key"]),
        ('notify = "x"\n', ["notify"]),
    ],
)
def test_what_is_missing_or_wrong_is_told_in_words(tmp_path: Path, table: str, keys: list[str]) -> None:
    file = write_settings(tmp_path, f"{table}{SEED}" if table.startswith("notify") else f"{SEED}\n{table}")
    with pytest.raises(SettingsError) as told:
        assemble(file)
    assert [mistake.key for mistake in told.value.mistakes] == keys


def test_check_says_who_is_told_and_asks_the_mail_server(tmp_path: Path, command: Command, mail: MailServer) -> None:
    table = MAIL.replace("smtp.example.org", "127.0.0.1") + f"port = {mail.port}\n"
    more = '[[notify]]\nchannel = "mail"\nto = ["editor@example.org"]\nevents = ["gift"]\nreaders = true\n'
    file = write_settings(tmp_path, f"{SEED}\n{table}{more}")
    done = command("--config", file, "check", "--online")
    assert "notify.mail\tmail\tgift; and who gave" in done.output
    assert "mail\tletters to readers\tplan, receipt" in done.output
    assert f"mail: 127.0.0.1:{mail.port} takes letters" in done.output
    assert mail.letters == []


def test_two_channels_of_one_way_need_keys(tmp_path: Path) -> None:
    url = secret(tmp_path, "slack.url", "https://hooks.slack.com/services/x")
    table = f'[[notify]]\nchannel = "slack"\nurl_file = "{url}"\n'
    assert mistakes(tmp_path, table * 2) == [
        "notify.slack.key: is taken; give each table of the same channel a key of its own"
    ]
    assert len(read(tmp_path, table + table + 'key = "other"\n').told.channels) == 2


def test_a_secret_that_everybody_may_read_is_told(tmp_path: Path) -> None:
    table = webhook_table(tmp_path, "https://example.org/hook")
    (tmp_path / "program.secret").chmod(0o644)
    assert any("notify.program.secret_file" in line for line in warning_lines(read(tmp_path, table)))


def test_notify_test_says_who_took_it_and_names_who_did_not(
    tmp_path: Path, command: Command, mail: MailServer, listener: Program
) -> None:
    local = MAIL.replace("smtp.example.org", "127.0.0.1") + f"port = {mail.port}\n"
    tables = local + '[[notify]]\nchannel = "mail"\nto = ["editor@example.org"]\n'
    tables += webhook_table(tmp_path, listener.url)
    file = write_settings(tmp_path, f"{SEED}\n{tables}")
    done = command("--config", file, "notify", "test")
    assert done.exit_code == 0, done.output
    assert len(mail.letters) == len(listener.bodies) == 1
    listener.status = 500
    failed = command("--config", file, "notify", "test")
    assert failed.exit_code == 1
    assert "program: not told by webhook: it answers HTTP 500" in failed.output
    assert "mail: told by mail" in failed.output
    assert SECRET not in failed.output


def test_notify_test_with_nobody_to_tell_is_no_success(settings_file: Path, command: Command) -> None:
    done = command("--config", settings_file, "notify", "test")
    assert done.exit_code == 1 and "nobody is told anything" in done.output


@pytest.mark.parametrize("way", ["slack", "telegram"])
def test_chats_get_plain_text(tmp_path: Path, command: Command, listener: Program, way: str) -> None:
    url = listener.url if way == "slack" else f"{listener.url}/bot1:TOKEN/sendMessage?chat_id=-100"
    name = secret(tmp_path, "chat.url", url)
    file = write_settings(tmp_path, f'{SEED}\n[[notify]]\nchannel = "{way}"\nurl_file = "{name}"\nlang = "en"\n')
    assert command("--config", file, "notify", "test").exit_code == 0
    (body,) = listener.bodies
    assert body["text"].startswith("A test: ")
    assert "parse_mode" not in body
    listener.status = 404
    failed = command("--config", file, "notify", "test")
    assert failed.exit_code == 1
    assert "TOKEN" not in failed.output and "SECRETKEY" not in failed.output
