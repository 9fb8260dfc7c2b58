"""One line of what a stranger typed or a page says of itself. Pure."""

import unicodedata


def one_line(text: str) -> str:
    """Write text as one line of visible characters: what steers a terminal, a line or its direction becomes a space."""
    spaced = "".join(" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in text)
    return " ".join(spaced.split())
