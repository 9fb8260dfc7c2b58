"""Judges one answer of a web server by the signed manifest: page, code, list or script. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from support_service.manifest.document import BadDocument, Document, compare, read_document
from support_service.manifest.page import BANK_LINKS, opens_payment, take_apart
from support_service.manifest.places import SignedPlaces, foreign, payload_problems, signed_places
from support_service.manifest.qr_reader import NoCode, read_png, read_svg

# Icons are shorter; a code of the smallest size is longer.
DRAWING_CHARS_MIN = 700
# What of a signed record the list for machines tells again.
_TOLD = ("facts", "qr", "link")
_DATA_URI = re.compile(r"data:image/(svg\+xml|png|[a-z.+-]+)[^,]{0,80},(.*)", re.DOTALL)
_SQUARE = re.compile(r'viewBox="0 0 ([\d.]+) \1"|<svg[^>]*width="([\d.]+)[a-z]*"[^>]*height="\2[a-z]*"')


@dataclass(frozen=True, slots=True)
class Truth:
    """A signed manifest, and the places in it."""

    document: Document
    places: SignedPlaces

    @classmethod
    def of(cls, document: Document) -> "Truth":
        """Gather the places once."""
        return cls(document, signed_places(document))


@dataclass(slots=True)
class Judgement:
    """What is not signed in one answer, how much that is was seen, and where its pictures and frames come from."""

    problems: list[str] = field(default_factory=list)
    codes: int = 0
    places: set[str] = field(default_factory=set)
    images: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)


def judge(mimetype: str, body: bytes, truth: Truth) -> Judgement:
    """Read an answer as a reader, a wallet and a phone would, and name what is not signed, each thing once."""
    found = Judgement()
    if mimetype == "image/png":
        _judge_code(found, body, truth)
    elif mimetype == "image/svg+xml":
        _judge_drawing(found, body.decode("utf-8", "replace"), truth)
    elif mimetype in {"text/html", "application/xhtml+xml"}:
        _judge_page(found, body.decode("utf-8", "replace"), truth)
    elif not mimetype.startswith(("image/", "font/", "audio/", "video/")):
        text = body.decode("utf-8", "replace")
        _judge_text(found, text, truth)
        if mimetype == "application/json":
            _judge_list(found, text, truth)
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _judge_page(found: Judgement, html: str, truth: Truth) -> None:
    page = take_apart(html)
    for text in page.texts:
        _judge_text(found, text, truth)
    for value in page.attributes:
        found.problems += foreign(value, truth.places, is_for_eyes=False)
    for link in page.links:
        if opens_payment(link):
            found.problems += payload_problems(link, truth.places)
    for drawing in page.drawings:
        _judge_drawing(found, drawing, truth)
    for image in page.images:
        inside = _DATA_URI.match(image)
        if inside:
            _judge_inside(found, inside[1], inside[2], truth, is_base64=";base64," in image[:120])
        else:
            found.images.append(image)
    for frame in page.frames:
        if "<" in frame:
            _judge_page(found, frame, truth)
        else:
            found.frames.append(frame)


def _judge_text(found: Judgement, text: str, truth: Truth) -> None:
    found.problems += foreign(text, truth.places)
    found.places |= {place for place in truth.places.places if place in text.replace(" ", "")}
    if text.startswith(BANK_LINKS):
        found.problems += payload_problems(text, truth.places)


def _judge_code(found: Judgement, png: bytes, truth: Truth) -> None:
    try:
        text = read_png(png)
    except NoCode as error:
        found.problems.append(f"a code cannot be read: {error}")
        return
    found.codes += 1
    found.problems += [f"QR code: {problem}" for problem in payload_problems(text, truth.places)]


def _judge_drawing(found: Judgement, svg: str, truth: Truth) -> None:
    try:
        text = read_svg(svg)
    except NoCode as error:
        if len(svg) >= DRAWING_CHARS_MIN and _SQUARE.search(svg):
            found.problems.append(f"a code cannot be read: {error}")
        return
    found.codes += 1
    found.problems += [f"QR code: {problem}" for problem in payload_problems(text, truth.places)]


def _judge_inside(found: Judgement, kind: str, body: str, truth: Truth, *, is_base64: bool) -> None:
    try:
        data = base64.b64decode(unquote_to_bytes(body), validate=True) if is_base64 else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        data = b""
    if kind == "svg+xml":
        _judge_drawing(found, data.decode("utf-8", "replace"), truth)
    elif kind == "png":
        _judge_code(found, data, truth)
    else:
        found.problems.append(f"a picture inside the page ({kind}) cannot be read; it may hold a code")


def _judge_list(found: Judgement, text: str, truth: Truth) -> None:
    """Hold /.well-known/support-methods.json against the signed records; other JSON is text alone."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    methods = told.get("methods") if isinstance(told, dict) else None
    signature = told.get("signature") if isinstance(told, dict) else None
    if isinstance(signature, dict):
        found.problems += _document_problems(str(signature.get("document")), truth)
    for method in methods if isinstance(methods, list) else ():
        if isinstance(method, dict) and "facts" in method:
            found.problems += _list_problems(method, truth)


def _document_problems(text: str, truth: Truth) -> list[str]:
    """Hold the copy of the manifest that stands in the list against the one whose signature was proved."""
    try:
        is_same = read_document(text.encode("utf-8", "replace")).methods == truth.document.methods
    except BadDocument:
        is_same = False
    return [] if is_same else ["the manifest in the list is not the signed one"]


def _list_problems(method: dict[str, Any], truth: Truth) -> Iterator[str]:
    key = str(method.get("key"))
    signed = truth.document.methods.get(key)
    if signed is None:
        yield f"{key}: is not in the manifest"
        return
    yield from compare(key, {part: method.get(part) for part in _TOLD}, {part: signed.get(part) for part in _TOLD})
