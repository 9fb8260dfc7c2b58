"""Text that a spreadsheet shows and never runs. Pure."""

import re

# OWASP, CSV Injection: a cell that begins so is run as a formula. Full-width forms are signs to Excel, too.
_SIGNS = "=+\\-@＝＋－＠"
# What stands before the first sign and is not seen: blanks, controls, and marks without width. What is taken is not
# given back, or a text of two thousand tabs would be looked through for an hour.
_UNSEEN = r"[\s\x00-\x1f\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*+"
# Where the list separator is another one (";" in Excel's Ukraine), a cell may begin in the middle of a text, and so
# it may behind a quote, if the program takes a cell's quotes off.
_SEPARATORS = r";,\t|\r\n\v\f\x1c-\x1e\x85\u2028\u2029；，、｜"
_RISKY = re.compile(rf"(^|[{_SEPARATORS}])({_UNSEEN}[\"']*+{_UNSEEN})(?=[{_SIGNS}])")
_SEPARATOR = re.compile(f"[{_SEPARATORS}]")
# A tab or a line end at the front makes some programs drop it and run what follows.
_RISKY_START = ("\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def harmless(text: str) -> str:
    """Put an apostrophe before every sign that a spreadsheet may take for the start of a formula, and nothing else.

    A number stays one, also a negative one.
    """
    # Nearly all texts are so, and this is much the quicker look.
    if text[:1].isalnum() and not _SEPARATOR.search(text):
        return text
    if _NUMBER.fullmatch(text):
        return text
    if not text.startswith(_RISKY_START):
        return _RISKY.sub(r"\1\2'", text)
    lead = text[: len(text) - len(text.lstrip())]
    # One apostrophe in front is enough for what follows the lead; the letter keeps its first sign from being found.
    rest = _RISKY.sub(r"\1\2'", f"x{text[len(lead) :]}")
    return f"'{lead}{rest[1:]}"
