"""A form on a page of ours, filled again with what was typed into it before. Pure: text in, text out.

Any form can be filled so, whichever view made it. Passwords and files stay empty, and of hidden fields only the nonce
is put back: what else a page hides in a form tells what its reader sees now.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

Attributes = Mapping[str, str | None]

NONCE = "nonce"
# Hidden fields that change by themselves: by all others two forms of one action are told apart.
PASSING = frozenset({"csrf_token", NONCE, "as_seen", "was", "back", "challenge", "answer"})
NEVER_FILLED = frozenset({"password", "file", "submit", "button", "image", "reset"})


@dataclass(slots=True)
class _Tag:
    """A start tag of the page, and where it stands; a text area's contents begin and end there, too."""

    name: str
    attributes: Attributes
    start: int
    end: int
    contents_end: int = 0
    select: "_Tag | None" = None


@dataclass(slots=True)
class _PostForm:
    path: str
    tags: list[_Tag] = field(default_factory=list)
    around: tuple[_Tag, ...] = ()

    def fits(self, typed: Mapping[str, list[str]]) -> int:
        """Tell how well this form is the one that was typed: -1 not at all, else how many of its fields were sent."""
        named = [(str(tag.attributes.get("name") or ""), tag.attributes) for tag in self.tags if tag.name != "option"]
        for name, attributes in named:
            is_fixed = attributes.get("type") == "hidden" and name not in PASSING
            if is_fixed and typed.get(name) != [attributes.get("value") or ""]:
                return -1
        return sum(name in typed for name, _ in named)


def refill(page: str, path: str, typed: Iterable[tuple[str, str]]) -> str | None:
    """Fill the form that goes to the path with what was typed, and open what hides it; None where no form fits."""
    values: dict[str, list[str]] = {}
    for name, value in typed:
        values.setdefault(name, []).append(value)
    reader = _PostFormReader(page)
    fitting = [(form.fits(values), form) for form in reader.forms if form.path == path]
    best = max(fitting, key=lambda one: one[0], default=None)
    if best is None or best[0] < 0:
        return None
    edits = sorted(_edits(best[1], values), key=lambda edit: edit[0], reverse=True)
    for start, end, text in edits:
        page = page[:start] + text + page[end:]
    return page


def _edits(form: _PostForm, values: Mapping[str, list[str]]) -> Iterator[tuple[int, int, str]]:
    for tag in form.around:
        yield tag.start, tag.end, _written("details", {**tag.attributes, "open": None})
    for tag in form.tags:
        sent = values.get(str((tag.select or tag).attributes.get("name") or ""), [])
        if tag.name == "textarea" and sent:
            # A new line at the very start belongs to the markup.
            yield tag.end, tag.contents_end, "\n" + escape(sent[0], quote=False)
        elif tag.name == "option" and sent:
            yield tag.start, tag.end, _marked(tag, "selected", is_on=tag.attributes.get("value") in sent)
        elif tag.name == "input":
            yield from _input_edit(tag, sent)


def _input_edit(tag: _Tag, sent: list[str]) -> Iterator[tuple[int, int, str]]:
    kind = tag.attributes.get("type") or "text"
    if kind in {"checkbox", "radio"}:
        yield tag.start, tag.end, _marked(tag, "checked", is_on=(tag.attributes.get("value") or "on") in sent)
    elif sent and kind not in NEVER_FILLED and (kind != "hidden" or tag.attributes.get("name") == NONCE):
        yield tag.start, tag.end, _written("input", {**tag.attributes, "value": sent[0]})


def _marked(tag: _Tag, mark: str, *, is_on: bool) -> str:
    others = {name: value for name, value in tag.attributes.items() if name != mark}
    return _written(tag.name, {**others, mark: None} if is_on else others)


def _written(name: str, attributes: Attributes) -> str:
    told = "".join(f" {key}" if value is None else f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>"


class _PostFormReader(HTMLParser):
    """Finds the forms of a page that post, with their fields and the closed parts that they stand in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[_PostForm] = []
        self._form: _PostForm | None = None
        self._closed: list[_Tag] = []
        self._select: _Tag | None = None
        self._lines = [0]
        for line in page.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._here()
        found = _Tag(tag, dict(attrs), start, start + len(self.get_starttag_text() or ""), select=self._select)
        if tag == "details":
            self._closed.append(found)
        elif tag == "form" and found.attributes.get("method") == "post":
            path = unquote(urlsplit(found.attributes.get("action") or "").path)
            self._form = _PostForm(path, around=tuple(self._closed))
            self.forms.append(self._form)
        elif self._form is not None and tag in {"input", "textarea", "select", "option"}:
            self._form.tags.append(found)
            self._select = found if tag == "select" else self._select

    def handle_endtag(self, tag: str) -> None:
        if tag == "details" and self._closed:
            self._closed.pop()
        elif tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._form is not None and self._form.tags:
            self._form.tags[-1].contents_end = self._here()

    def _here(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column
