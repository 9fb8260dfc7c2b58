"""Which addresses and titles we accept of the article a reader came from. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, quote_plus

from markupsafe import escape

from support_service.door.cut_page import Slot
from support_service.origin import BadAddress, Origin, split_origin
from support_service.web.one_line import one_line

# The widget, the page and the ledger agree on it; longer addresses carry tracking, not articles.
ARTICLE_CHARS_MAX = 2048
# Longer titles are cut: one line of a desk, three of a phone.
TITLE_CHARS_MAX = 120
# "end", "sidebar", "mobile-2": the publisher's own word for a place of the block.
PLACEMENT_CHARS_MAX = 40
_NOT_IN_PLACEMENT = re.compile(r"[^a-z0-9-]+")
# Read at most, of what may be made of spaces and signs that nobody sees.
_TITLE_READ_MAX = 1_000
# What money can be sent to, or a call be made to, is no title: a link to our page must not lend it our name.
# A card, an account, a telephone: ten digits, however they are parted; an address of a coin, of the web, of a person.
_WHERE_TO_PAY = re.compile(r"\d(?:[\W_]{0,3}\d){9}|[0-9A-Za-z]{24}|://|www\.|@")


@dataclass(frozen=True, slots=True)
class Article:
    """The article a reader came from: its address, which was let pass, and its title, "" where none is known.

    placement: which of the article's blocks it was, "" where it has one alone.
    """

    address: str
    title: str = ""
    placement: str = ""

    @property
    def label(self) -> str:
        """Name it for the reader's eyes: by its title, else by its address."""
        return self.title or article_label(self.address)

    @property
    def query(self) -> dict[str, str]:
        """Write it as parameters of our pages."""
        told = {"article": self.address, "title": self.title, "placement": self.placement}
        return {name: value for name, value in told.items() if value}


def article_query(article: Article | None) -> dict[str, str]:
    """Write the parameters that take an article along; none where there is none."""
    return article.query if article else {}


def read_article(asked: Mapping[str, str], sites: Sequence[Origin]) -> Article | None:
    """Read the article that a request names, if it may be shown and linked; all else counts only beside it."""
    address = allowed_article(asked.get("article", ""), sites)
    if address is None:
        return None
    title, placement = allowed_title(asked.get("title", "")), allowed_placement(asked.get("placement", ""))
    return Article(address, title or "", placement or "")


def allowed_placement(text: str) -> str | None:
    """Return the letters, digits and hyphens of a placement in small letters, None where none are left."""
    return _NOT_IN_PLACEMENT.sub("", text[:_TITLE_READ_MAX].lower())[:PLACEMENT_CHARS_MAX] or None


def allowed_title(text: str) -> str | None:
    """Return a title as one line that may be shown, else None: anybody can write one into a link to our page.

    It is cut where it is long; one that says where to send money, or leads elsewhere, is quietly left out.
    """
    title = one_line(unicodedata.normalize("NFC", text[:_TITLE_READ_MAX]))
    if _WHERE_TO_PAY.search(unicodedata.normalize("NFKC", title)):
        return None
    return (title if len(title) <= TITLE_CHARS_MAX else f"{title[: TITLE_CHARS_MAX - 1].rstrip()}…") or None


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


def article_slots(sites: Sequence[Origin]) -> tuple[Slot, Slot, Slot]:
    """Describe article, title and placement to the door, which writes them into finished pages.

    They stand there as text, as label, and in queries.
    """
    base = f"{sites[0]}/" if sites else "https://article.invalid/"
    in_queries = (
        lambda text: quote(quote_plus(text)),
        lambda text: quote_plus(quote_plus(text)),
        quote_plus,
    )
    as_text = (lambda text: str(escape(text)), lambda article: str(escape(article_label(article))))
    address = Slot("article", base, partial(_allowed, sites), (*in_queries, *as_text))
    title = Slot("title", "Title ", allowed_title, (*in_queries, as_text[0]))
    return address, title, Slot("placement", "at", allowed_placement, (str,))


def _allowed(sites: Sequence[Origin], text: str) -> str | None:
    return allowed_article(text, sites)


def article_label(url: str) -> str:
    """Name an article for the reader's eyes: its address without the scheme, its host as people write it."""
    origin, rest = split_origin(url)
    return f"{origin.host.shown}{rest}".rstrip("/")
