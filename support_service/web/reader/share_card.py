"""The picture that a shared link shows: who asks, in their colour, with the code that leads to the page. Pure.

Letters are bitmaps of one font, kept beside this file: a font of the machine would make the picture depend on it.
"""

import json
import lzma
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support_service.giving import Phrase, QrText
from support_service.qr import QUIET_ZONE_MODULES, matrix

WIDTH, HEIGHT = 1200, 630
MARGIN, BAND = 80, 24
CODE_SIDE = 360
LINES_MAX = 5

# Four shades of each ink on the paper, so that edges are smooth; then the accent, then white for the code.
_PAPER, _INK = (247, 245, 240), (28, 30, 29)
_ACCENT, _WHITE = 4, 5
_LETTERS = Path(__file__).parent / "letters.json.xz"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Bitmaps by character: a width, and two bits a pixel, row by row. The file names its font and its licence."""

    height: int
    shapes: dict[str, tuple[int, bytes]]

    def width(self, text: str) -> int:
        """Measure a text; characters that the font lacks have no width."""
        return sum(self.shapes[sign][0] for sign in text if sign in self.shapes)


def draw(name: str, heading: str, url: str, accent: str) -> bytes:
    """Draw the card as PNG."""
    pixels = [bytearray(WIDTH) for _ in range(HEIGHT)]
    for row in pixels[:BAND]:
        row[:] = bytes([_ACCENT]) * WIDTH
    room = WIDTH - 3 * MARGIN - CODE_SIDE
    letters = _letters()
    lines = [*_wrapped(name, room, letters), "", *_wrapped(heading, room, letters)][:LINES_MAX]
    top = (HEIGHT + BAND - len(lines) * letters.height) // 2
    for number, line in enumerate(lines):
        _write(pixels, line, top + number * letters.height, letters)
    _paint_code(pixels, url)
    return _png(pixels, accent)


@cache
def _letters() -> Glyphs:
    held = json.loads(lzma.decompress(_LETTERS.read_bytes()))
    shapes = {sign: (int(width), b64decode(bits)) for sign, (width, bits) in held["letters"].items()}
    return Glyphs(int(held["height"]), shapes)


def _wrapped(text: str, room: int, letters: Glyphs) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and letters.width(longer) > room:
            yield line
            longer = word
        line = longer
    yield line


def _write(pixels: list[bytearray], text: str, top: int, letters: Glyphs) -> None:
    left = MARGIN
    for sign in text:
        width, bits = letters.shapes.get(sign, (0, b""))
        if left + width > WIDTH - MARGIN - CODE_SIDE:
            return
        for place in range(width * letters.height if width else 0):
            shade = bits[place // 4] >> (6 - 2 * (place % 4)) & 3
            if shade:
                pixels[top + place // width][left + place % width] = shade
        left += width


def _paint_code(pixels: list[bytearray], url: str) -> None:
    modules = matrix(QrText(url, Phrase("QR code")))
    size = CODE_SIDE // (len(modules) + 2 * QUIET_ZONE_MODULES)
    side = size * (len(modules) + 2 * QUIET_ZONE_MODULES)
    left, top = WIDTH - MARGIN - side, (HEIGHT + BAND - side) // 2
    for row in pixels[top : top + side]:
        row[left : left + side] = bytes([_WHITE]) * side
    for number, cells in enumerate(modules):
        line = b"".join(bytes([3 if dark else _WHITE]) * size for dark in cells)
        begin, first = top + (number + QUIET_ZONE_MODULES) * size, left + QUIET_ZONE_MODULES * size
        for row in pixels[begin : begin + size]:
            row[first : first + len(line)] = line


def _png(pixels: list[bytearray], accent: str) -> bytes:
    """Write an image of a few colours: a palette, one byte a pixel, every row unfiltered."""
    shades = [tuple(p + (i - p) * share // 3 for p, i in zip(_PAPER, _INK, strict=True)) for share in range(4)]
    palette = b"".join(bytes(colour) for colour in (*shades, bytes.fromhex(accent[1:]), (255, 255, 255)))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(row) for row in pixels)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
