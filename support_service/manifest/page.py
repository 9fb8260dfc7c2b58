"""What a page shows and where it leads, as plain texts: for whoever looks for addresses in it. Pure."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

# They stand inside a line: an address may be cut into them for the eye.
_INLINE = frozenset({"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "em", "font", "i", "ins", "kbd", "label"})
_INLINE |= {"mark", "s", "samp", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr", "del", "slot"}
_IMAGES = frozenset({"img", "source", "image", "input", "video", "object", "embed"})
_SOURCES = frozenset({"src", "data", "poster", "xlink:href", "href"})
_LINKS = frozenset({"href", "action", "formaction", "xlink:href"})
_VOID = frozenset({"img", "source", "input", "embed", "wbr", "br", "hr", "meta", "link"})
# Links of any other scheme open a program, such as a wallet.
_OTHER_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "data", "blob", "about", "javascript", "ftp"})
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
BANK_LINKS = ("https://qr.bank.gov.ua/", "https://bank.gov.ua/qr/")


@dataclass
class Page:
    """A page taken apart. texts are for eyes, attributes for machines."""

    texts: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    drawings: list[str] = field(default_factory=list)


def take_apart(html: str) -> Page:
    """Read a page, whatever its mistakes."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    parser.page.texts.append("".join(parser.shown))
    return parser.page


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self.shown = Page(), list[str]()
        self._drawing: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.attributes += [value for value in given.values() if value]
        if tag not in _INLINE:
            self.shown.append("\n")
        self.page.links += [value for name, value in given.items() if name in _LINKS]
        if tag in _IMAGES:
            self.page.images += [value for name, value in given.items() if name in _SOURCES and value]
        if tag in {"iframe", "frame"}:
            self.page.frames += [given[name] for name in ("src", "srcdoc") if given.get(name)]
        if tag == "svg" or self._depth:
            self._depth += tag == "svg"
            self._drawing.append(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag == "svg":
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self.shown.append("\n")
        if self._depth:
            self._drawing.append(f"</{tag}>")
            self._depth -= tag == "svg"
            if self._depth == 0:
                self.page.drawings.append("".join(self._drawing))
                self._drawing = []

    def handle_data(self, data: str) -> None:
        self.shown.append(data)
        if self._depth:
            self._drawing.append(data)

    def handle_comment(self, data: str) -> None:
        self.page.texts.append(data)


def opens_payment(link: str) -> bool:
    """Tell whether a link opens a wallet or a bank's app."""
    scheme = _SCHEME.match(link)
    return link.strip().startswith(BANK_LINKS) or bool(scheme and scheme[1].lower() not in _OTHER_SCHEMES)
