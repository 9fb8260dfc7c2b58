"""Which addresses we accept as the article a reader came from. Pure."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote, quote_plus

from markupsafe import escape

from support_service.door.cut_page import Slot
from support_service.origin import BadAddress, Origin, split_origin

# The widget, the page and the ledger agree on it; longer addresses carry tracking, not articles.
ARTICLE_CHARS_MAX = 2048


def allowed_article(text: str, sites: Sequence[Origin]) -> str | None:
    """Return the article's URL if it may be shown and linked, else None: a bad one is quietly left out.

    Its origin is written in the one form that browsers have for it, so that an article has one address.
    Without any sites, every https site is allowed. Plain http passes only where the publisher listed it
    (settings take it for loopback alone).
    """
    if not text or len(text) > ARTICLE_CHARS_MAX:
        return None
    try:
        origin, rest = split_origin(text)
    except BadAddress:
        return None
    is_allowed = origin in sites if sites else origin.scheme == "https"
    return f"{origin}{rest}" if is_allowed else None


def article_slot(sites: Sequence[Origin]) -> Slot:
    """Describe the article to the door, which writes it into finished pages: as text, as label, in queries."""
    base = f"{sites[0]}/" if sites else "https://article.invalid/"
    writers = (
        lambda article: quote(quote_plus(article)),
        lambda article: quote_plus(quote_plus(article)),
        quote_plus,
        lambda article: str(escape(article)),
        lambda article: str(escape(article_label(article))),
    )
    return Slot("article", base, partial(_allowed, sites), writers)


def _allowed(sites: Sequence[Origin], text: str) -> str | None:
    return allowed_article(text, sites)


def article_label(url: str) -> str:
    """Name an article for the reader's eyes: its address without the scheme, its host as people write it."""
    origin, rest = split_origin(url)
    return f"{origin.host.shown}{rest}".rstrip("/")
