"""The log: one line an event, and nobody's name in it."""

import io
import logging
from collections.abc import Iterator

import pytest

from support_service.log import FIELD_CHARACTERS_MAX, clean, configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the log says, with the root logger as it was afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("support_service")
    before = root.handlers[:], root.level, ours.level
    text = io.StringIO()
    configure_logging(text)
    yield text
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def test_an_event_is_one_line_with_its_fields(stream: io.StringIO) -> None:
    logging.getLogger("support_service.watcher").info("donation_confirmed", extra={"donation": "3f9a", "blocks": 3})
    line = stream.getvalue()
    assert line.endswith(" INFO watcher donation_confirmed blocks=3 donation=3f9a\n")
    assert line[10] == "T"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"source": "staff:olena@example.com"}, "source=staff:[e-mail]"),
        ({"email": "olena"}, "email=[private]"),
        ({"payer": "Олена"}, "payer=[private]"),
        ({"note": "for Ivan"}, "note=[private]"),
        ({"password": "x"}, "password=[private]"),
        ({"node": "https://rpc.example.com/v3/KEY?k=KEY"}, "node=https://rpc.example.com"),
        ({"node": "http://user:KEY@127.0.0.1:8332/wallet"}, "node=http://127.0.0.1:8332"),
        ({"db": "postgresql+psycopg://u:KEY@db/support"}, "db=postgresql+psycopg://db"),
        ({"error": "Max retries exceeded with url: /v3/KEY (x)"}, 'error="Max retries exceeded with url: [path] (x)"'),
        ({"text": "a\nFAKE LINE"}, 'text="a FAKE LINE"'),
        ({"empty": ""}, 'empty=""'),
        ({"error": 'a" donation=3f9a state="confirmed'}, r'error="a\" donation=3f9a state=\"confirmed"'),
        ({"error": "donation=3f9a"}, 'error="donation=3f9a"'),
        ({"error": "ends with \\"}, r'error="ends with \\"'),
        ({"error": "x\\"}, r'error="x\\"'),
        ({"error": "\x1b[2J\x1b]0;title\x07"}, r"error=\x1b[2J\x1b]0;title\x07"),
        ({"error": "a\x9b31mb\x7f\x00"}, r"error=a\x9b31mb\x7f\x00"),
        ({"error": "\u202eevil\u2066\u200e"}, r"error=\u202eevil\u2066\u200e"),
        ({"error": "a\u2028b\u2029c\x85d\x1ce"}, 'error="a b c d e"'),
        ({"error": "\ud800\U000e0041"}, r"error=\ud800\U000e0041"),
    ],
)
def test_nothing_private_is_logged(stream: io.StringIO, fields: dict[str, str], shown: str) -> None:
    logging.getLogger("support_service.x").warning("event", extra=fields)
    assert stream.getvalue().endswith(f" event {shown}\n")


def test_a_traceback_is_cleaned_too(stream: io.StringIO) -> None:
    error = ValueError("olena@example.com at https://rpc.example.com/KEY")
    logging.getLogger("support_service.x").error("broke", exc_info=error)
    assert stream.getvalue().endswith("ValueError: [e-mail] at https://rpc.example.com\n")


def test_an_exception_forges_no_line_of_its_own(stream: io.StringIO) -> None:
    error = ValueError("x\n2026-11-23T07:00:00Z INFO watcher donation_confirmed donation=3f9a\x1b[1A")
    logging.getLogger("support_service.x").error("broke", exc_info=error)
    first, *others = stream.getvalue().splitlines()
    assert first.endswith(" ERROR x broke")
    assert others and all(line.startswith("  ") for line in others)
    assert "\x1b" not in stream.getvalue()


def test_a_librarys_words_name_no_field(stream: io.StringIO) -> None:
    logging.getLogger("urllib3").warning('retry source="evm:main" state=ok')
    assert stream.getvalue().endswith(' WARNING urllib3 "retry source=\\"evm:main\\" state=ok"\n')


def test_a_long_field_of_quotes_still_ends_with_its_own(stream: io.StringIO) -> None:
    logging.getLogger("support_service.x").info("event", extra={"text": '"' * 10_000})
    assert stream.getvalue().rstrip().endswith('\\"..."')


def test_libraries_are_heard_only_when_they_warn(stream: io.StringIO) -> None:
    logging.getLogger("urllib3").info("chatter for olena@example.com")
    logging.getLogger("urllib3").warning("trouble for olena@example.com")
    assert "chatter" not in stream.getvalue()
    assert "trouble for [e-mail]" in stream.getvalue()


def test_a_long_field_is_cut(stream: io.StringIO) -> None:
    logging.getLogger("support_service.x").info("event", extra={"text": "x" * 10_000})
    assert len(stream.getvalue()) < FIELD_CHARACTERS_MAX + 100


@pytest.mark.parametrize("piece", ["a", "a+", "a@", "a:", "http://", "і", "x."])
def test_a_long_answer_without_a_blank_is_read_through_once(piece: str) -> None:
    # Were it looked through again from each of its letters, this would take an hour.
    key = "http://user:pass@node.example/v2/key"
    told = clean(f"{piece * 300_000} {key} reader@example.org")
    assert told.endswith(" http://node.example [e-mail]")


@pytest.mark.parametrize("before", ["1", "a1+", "x" * 40, "=", "("])
def test_a_key_is_taken_out_whatever_stands_before_its_address(before: str) -> None:
    assert "pass" not in clean(f"{before}http://user:pass@node.example/v2/key")


def test_an_address_is_taken_out_whatever_stands_before_it() -> None:
    for before in ("mailto:", "<", "'", "a@", "="):
        assert "example.org" not in clean(f"{before}reader@example.org")
