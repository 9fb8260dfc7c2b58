"""Which addresses we accept as the article a reader came from. Pure."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote, quote_plus, urlsplit

from markupsafe import escape

from support_service.door.cut_page import Slot

# The widget, the page and the ledger agree on it; longer addresses carry tracking, not articles.
ARTICLE_CHARS_MAX = 2048

_PORTS = {"http": 80, "https": 443}


def allowed_article(text: str, sites: Sequence[str]) -> str | None:
    """Return the article's URL if it may be shown and linked, else None: a bad one is quietly left out.

    sites are origins; without any, every https site is allowed. Plain http passes only where the
    publisher listed it (settings take it for loopback alone).
    """
    if not text or len(text) > ARTICLE_CHARS_MAX or not text.isprintable() or set(text) & set(' "<>\\^`{|}'):
        return None
    origin = _origin(text)
    if origin is None:
        return None
    listed = [_origin(site) for site in sites]
    is_allowed = origin in listed if listed else origin[0] == "https"
    return text if is_allowed else None


def article_slot(sites: Sequence[str]) -> Slot:
    """Describe the article to the door, which writes it into finished pages: as text, as label, in queries."""
    base = f"{sites[0].rstrip('/')}/" if sites else "https://article.invalid/"
    writers = (
        lambda article: quote(quote_plus(article)),
        lambda article: quote_plus(quote_plus(article)),
        quote_plus,
        lambda article: str(escape(article)),
        lambda article: str(escape(article_label(article))),
    )
    return Slot("article", base, partial(_allowed, sites), writers)


def _allowed(sites: Sequence[str], text: str) -> str | None:
    return allowed_article(text, sites)


def article_label(url: str) -> str:
    """Name an article for the reader's eyes: its address without the scheme."""
    return url.split("://", 1)[1].rstrip("/")


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    # user@host makes an address look like another site's.
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return (parts.scheme, parts.hostname, port or _PORTS[parts.scheme])
