"""Small text files that people write: settings and secrets, from whatever editor. Errors repeat nothing of them."""

import codecs
from pathlib import Path

# A settings file is written by hand; anything larger is not one, and no secret is this long.
FILE_BYTES_MAX = 1_000_000

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Unreadable(Exception):
    """The file cannot be read as text; says why, for people, as "..." in "secret_key_file ..."."""


def read_text_file(file: Path) -> str:
    """Read UTF-8, with or without the mark that Windows editors put before it (BOM); raise Unreadable."""
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or type(error).__name__).lower()}") from error
    if len(content) > FILE_BYTES_MAX:
        raise Unreadable(f"is larger than {FILE_BYTES_MAX} bytes")
    if content.startswith(_UTF_16):
        raise Unreadable("is saved as UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is not text in UTF-8; save it as UTF-8") from error
