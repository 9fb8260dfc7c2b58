"""QR text -> modules, compact SVG, PNG. Pure, and cached: a method's text never changes.

Texts of our own payment methods come here, and the key of a person's codes; never text from a request.
"""

import struct
import zlib
from functools import lru_cache
from html import escape
from itertools import groupby
from typing import TypeAlias

from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.main import QRCode

from support_service.giving import QrText

Modules: TypeAlias = tuple[tuple[bool, ...], ...]
Point: TypeAlias = tuple[float, float]

# The largest structure of any standard we draw (NBU Board decision No. 97, Annex 4).
TEXT_BYTES_MAX = 507
QUIET_ZONE_MODULES = 4
PNG_MODULE_PIXELS = 8
# A publisher has a handful of methods; the bound only keeps a mistake from eating memory.
DRAWINGS_KEPT_MAX = 64

# NBU Board decision No. 97, Annex 1: diameter of the white circle in modules, by symbol version.
HRYVNIA_CIRCLE_MODULES = {10: 17, 11: 19, 12: 19, 13: 21, 14: 23, 15: 23, 16: 25, 17: 25}

_LEVELS = {"L": ERROR_CORRECT_L, "M": ERROR_CORRECT_M, "Q": ERROR_CORRECT_Q, "H": ERROR_CORRECT_H}

# The hryvnia sign inside a circle of radius 10: a mirrored S of cubic curves, and two bars. One
# list of points serves SVG and PNG alike; a font would make the symbol depend on the machine.
_SIGN_CURVE: tuple[Point, ...] = (
    (-4.8, -5.6), (-3.2, -9.6), (4.8, -9.6), (4.8, -4.8), (4.8, -1.2), (-4.8, 1.2),
    (-4.8, 4.8), (-4.8, 9.6), (3.2, 9.6), (4.8, 5.6),
)  # fmt: skip
_SIGN_BARS: tuple[tuple[Point, Point], ...] = (((-7.0, -1.7), (7.0, -1.7)), ((-7.0, 1.7), (7.0, 1.7)))
_SIGN_STROKE = 1.7


class QrError(ValueError):
    """The text cannot be drawn; the message says why, for the publisher."""


class QrTextTooLong(QrError):
    """More bytes than the payment standards allow, or than fit the versions they allow."""


def matrix(qr: QrText) -> Modules:
    """Make the symbol's modules, True is dark, without quiet zone or sign.

    Raises QrTextTooLong where the text does not fit, QrError for an unknown level.
    """
    return _modules(qr.text, qr.level, qr.version_min, qr.mask)


def version(modules: Modules) -> int:
    """Tell the symbol version, 1 to 40, from the number of modules on a side (ISO 18004)."""
    return (len(modules) - 17) // 4


def svg(qr: QrText, name: str) -> str:
    """Draw the symbol as one <svg> element, for a page or a file; name is its accessible name.

    No ids, so that several may stand on one page; sized by its viewBox, one unit a module. The
    white ground holds the quiet zone of 4 modules, so that it reads on a dark page too.
    """
    side = len(matrix(qr)) + 2 * QUIET_ZONE_MODULES
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img"'
        f' aria-label="{escape(name)}" shape-rendering="crispEdges">{_shapes(qr)}</svg>'
    )


@lru_cache(DRAWINGS_KEPT_MAX)
def png(qr: QrText) -> bytes:
    """Draw the symbol as a PNG of one bit a pixel, 8 pixels a module, with quiet zone and sign."""
    modules = matrix(qr)
    side = (len(modules) + 2 * QUIET_ZONE_MODULES) * PNG_MODULE_PIXELS
    pixels = [bytearray(b"1" * side) for _ in range(side)]
    margin = QUIET_ZONE_MODULES * PNG_MODULE_PIXELS
    for row, cells in enumerate(modules):
        line = b"".join((b"0" if dark else b"1") * PNG_MODULE_PIXELS for dark in cells)
        for pixel in range(PNG_MODULE_PIXELS):
            pixels[margin + row * PNG_MODULE_PIXELS + pixel][margin : side - margin] = line
    if qr.has_hryvnia_sign:
        _paint_sign(pixels, _circle_modules(modules))
    return _png_file(pixels)


@lru_cache(DRAWINGS_KEPT_MAX)
def _modules(text: str, level: str, version_min: int, mask: int | None) -> Modules:
    if level not in _LEVELS:
        raise QrError(f"{level!r} is not an error correction level; known are {', '.join(_LEVELS)}")
    size = len(text.encode())
    if not 0 < size <= TEXT_BYTES_MAX:
        raise QrTextTooLong(f"a QR text has 1 to {TEXT_BYTES_MAX} bytes, this one has {size}")
    # version_min is a floor: `fit` raises the version until the text fits.
    symbol = QRCode(version=version_min, error_correction=_LEVELS[level], border=0, mask_pattern=mask)
    symbol.add_data(text)
    symbol.make(fit=True)
    return tuple(tuple(bool(dark) for dark in row) for row in symbol.modules)


@lru_cache(DRAWINGS_KEPT_MAX)
def _shapes(qr: QrText) -> str:
    modules = matrix(qr)
    side = len(modules) + 2 * QUIET_ZONE_MODULES
    ground = f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
    if not qr.has_hryvnia_sign:
        return ground + _dark_modules(modules)
    circle = _circle_modules(modules)
    return ground + _dark_modules(_without_circle(modules, circle)) + _sign(side / 2, circle)


def _dark_modules(modules: Modules) -> str:
    """Draw all modules as one line that snakes through the rows; its dashes are the dark runs.

    A third smaller than a move and a line for each run, which puts an NBU code over 6.5 kB. Every
    row has one module of gap at both ends, so that no dash touches a corner of the line.
    """
    count = len(modules)
    walk: list[bool] = []
    for row, cells in enumerate(modules):
        walk += [False, *(cells if row % 2 == 0 else reversed(cells)), False, False]
    # The first dash must be dark: start at the finder pattern's corner, behind the first gap.
    lengths = " ".join(str(len(list(run))) for _, run in groupby(walk[1:]))
    turns = "".join(f"v1h{count + 2 if row % 2 == 0 else -count - 2}" for row in range(1, count))
    start = f"M{QUIET_ZONE_MODULES} {QUIET_ZONE_MODULES}.5h{count + 1}"
    return f'<path fill="none" stroke="#000" stroke-dasharray="{lengths}" d="{start}{turns}"/>'


def _circle_modules(modules: Modules) -> int:
    try:
        return HRYVNIA_CIRCLE_MODULES[version(modules)]
    except KeyError:
        raise QrTextTooLong(f"a code with the hryvnia sign has version 10 to 17, not {version(modules)}") from None


def _without_circle(modules: Modules, circle: int) -> Modules:
    """Leave out what lies wholly under the white circle: it would only cost bytes."""
    middle = (len(modules) - 1) / 2

    def is_hidden(column: int, row: int) -> bool:
        across, down = abs(column - middle) + 0.5, abs(row - middle) + 0.5
        return across * across + down * down <= circle * circle / 4

    return tuple(
        tuple(dark and not is_hidden(column, row) for column, dark in enumerate(cells))
        for row, cells in enumerate(modules)
    )


def _sign(middle: float, circle: int) -> str:
    """Draw the circle and the sign, which is inscribed in a circle 4 modules smaller (Annex 1)."""
    (first, *rest), scale = _SIGN_CURVE, (circle - 4) / 20
    curve = " ".join(f"{x:g} {y:g}" for x, y in rest)
    bars = "".join(f"M{a:g} {b:g}H{c:g}" for (a, b), (c, _) in _SIGN_BARS)
    return (
        f'<g transform="translate({middle:g} {middle:g})"><circle r="{circle / 2:g}" fill="#fff"/>'
        f'<path transform="scale({scale:g})" fill="none" stroke="#000" stroke-width="{_SIGN_STROKE}"'
        f' shape-rendering="auto" d="M{first[0]:g} {first[1]:g}C{curve}{bars}"/></g>'
    )


def _paint_sign(pixels: list[bytearray], circle: int) -> None:
    middle, radius = len(pixels) / 2, circle * PNG_MODULE_PIXELS / 2
    _paint_disc(pixels, (middle, middle), radius, b"1")
    scale = (circle - 4) * PNG_MODULE_PIXELS / 20
    for x, y in _sign_points():
        _paint_disc(pixels, (middle + x * scale, middle + y * scale), _SIGN_STROKE / 2 * scale, b"0")


def _sign_points() -> list[Point]:
    """Follow the sign in steps well below a pixel."""
    steps = [step / 120 for step in range(121)]
    curves = [_SIGN_CURVE[start : start + 4] for start in range(0, len(_SIGN_CURVE) - 1, 3)]
    points = [_on_curve(curve, t) for curve in curves for t in steps]
    return points + [(a + (c - a) * t, b + (d - b) * t) for (a, b), (c, d) in _SIGN_BARS for t in steps]


def _on_curve(curve: tuple[Point, ...], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(weight * point[axis] for weight, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    return x, y


def _paint_disc(pixels: list[bytearray], centre: Point, radius: float, shade: bytes) -> None:
    x, y = centre
    for row in range(round(y - radius), round(y + radius)):
        half = max(0.0, radius**2 - (row + 0.5 - y) ** 2) ** 0.5
        left, right = round(x - half), round(x + half)
        pixels[row][left:right] = shade * (right - left)


def _png_file(pixels: list[bytearray]) -> bytes:
    """Write a grey image of one bit a pixel: the three chunks PNG demands, every row unfiltered."""
    side = len(pixels)
    row_bytes = (side + 7) // 8
    rows = b"".join(b"\0" + int(row.ljust(row_bytes * 8, b"0"), 2).to_bytes(row_bytes, "big") for row in pixels)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
