"""Reads QR codes as we draw them, SVG and PNG: the modules out of the picture, the text out of the modules. Pure.

It trusts no drawing: what is not exactly in our own form is refused, so that nothing can lie over a code. Errors
are corrected as a phone corrects them (ISO/IEC 18004), for a phone would read what was meant.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from qrcode.base import EXP_TABLE, LOG_TABLE, rs_blocks
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.util import BCH_type_info, mask_func, pattern_position

from support_service.qr import PNG_MODULE_PIXELS, QUIET_ZONE_MODULES, Modules

# Larger than any code of ours: version 40.
SIDE_MODULES_MAX = 177
PNG_BYTES_MAX = 1 << 20
# The same few codes stand on page after page.
DRAWINGS_KEPT_MAX = 256

_SVG = re.compile(
    r'<svg xmlns="http://www\.w3\.org/2000/svg" viewBox="0 0 (\d+) \1" role="img" aria-label="[^"<>]*"'
    r' shape-rendering="crispEdges"><path fill="#fff" d="M0 0h\1v\1H0z"/>'
    r'<path fill="none" stroke="#000" stroke-dasharray="([\d ]+)" d="([Mhv\d .-]+)"/>'
    r'(?:<g transform="translate\([\d. ]+\)"><circle r="([\d.]+)" fill="#fff"/>'
    r'<path transform="scale\([\d.]+\)" fill="none" stroke="#000" stroke-width="1\.7" shape-rendering="auto"'
    r' d="[MCH\d .-]+"/></g>)?</svg>'
)
_LEVELS = (ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q, ERROR_CORRECT_H)
_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NUMERIC_MODE, _ALPHANUMERIC_MODE, _BYTE_MODE = 1, 2, 4
_FORMATS_DIFFER_MAX = 3


class NoCode(ValueError):
    """A picture is not a code in our own form, or a phone would not read it; the text says why."""


@lru_cache(DRAWINGS_KEPT_MAX)
def read_svg(text: str) -> str:
    """Read the text of a code that `qr.svg` drew; raises Unreadable."""
    found = _SVG.fullmatch(text.strip())
    if not found:
        raise NoCode("the picture is not in the form that this service draws")
    side = int(found[1]) - 2 * QUIET_ZONE_MODULES
    if not 21 <= side <= SIDE_MODULES_MAX:
        raise NoCode("the picture has no size of a code")
    turns = "".join(f"v1h{side + 2 if row % 2 == 0 else -side - 2}" for row in range(1, side))
    if found[3] != f"M{QUIET_ZONE_MODULES} {QUIET_ZONE_MODULES}.5h{side + 1}{turns}":
        raise NoCode("the picture is not in the form that this service draws")
    return read_modules(_walked([int(length) for length in found[2].split()], side))


def read_png(data: bytes) -> str:
    """Read the text of a code that `qr.png` drew; raises Unreadable."""
    pixels, step, quiet = _png_pixels(data), PNG_MODULE_PIXELS, QUIET_ZONE_MODULES
    side, rest = divmod(len(pixels), step)
    count = side - 2 * quiet
    if rest or not 21 <= count <= SIDE_MODULES_MAX:
        raise NoCode("the picture has no size of a code")
    middle = step // 2
    places = [(quiet + number) * step + middle for number in range(count)]
    return read_modules(tuple(tuple(not pixels[row][column] for column in places) for row in places))


def read_modules(modules: Modules) -> str:
    """Read the text of a symbol, True is dark; raises Unreadable."""
    side = len(modules)
    version, rest = divmod(side - 17, 4)
    if rest or not 1 <= version <= 40:
        raise NoCode("the picture has no size of a code")
    level, mask = _format(modules)
    return _text(_corrected(list(_codewords(modules, version, mask)), version, level), version)


def _walked(lengths: list[int], side: int) -> Modules:
    """Follow the line that snakes through the rows: dashes are dark; between two rows lie three light modules."""
    if sum(lengths) > (side + 3) * side:
        raise NoCode("the picture is not in the form that this service draws")
    walk = [number % 2 == 0 for number, length in enumerate(lengths) for _ in range(length)]
    walk += [False] * ((side + 3) * side - len(walk))
    rows = [walk[row * (side + 3) : row * (side + 3) + side] for row in range(side)]
    return tuple(tuple(cells if row % 2 == 0 else reversed(cells)) for row, cells in enumerate(rows))


def _png_pixels(data: bytes) -> list[list[bool]]:
    """Unpack an image of one bit a pixel; True is light."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or len(data) > PNG_BYTES_MAX:
        raise NoCode("the picture is not in the form that this service draws")
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if [kind for kind, _ in chunks] != [b"IHDR", b"IDAT", b"IEND"] or at != len(data) or len(chunks[0][1]) != 13:
        raise NoCode("the picture is not in the form that this service draws")
    width, height, *form = struct.unpack(">IIBBBBB", chunks[0][1])
    row_bytes = (width + 7) // 8
    if form != [1, 0, 0, 0, 0] or width != height or width > (SIDE_MODULES_MAX + 8) * PNG_MODULE_PIXELS:
        raise NoCode("the picture is not in the form that this service draws")
    try:
        raw = zlib.decompressobj().decompress(chunks[1][1], (row_bytes + 1) * height + 1)
    except zlib.error as error:
        raise NoCode("the picture is damaged") from error
    rows = [raw[row * (row_bytes + 1) : (row + 1) * (row_bytes + 1)] for row in range(height)]
    if len(raw) != (row_bytes + 1) * height or any(row[0] for row in rows):
        raise NoCode("the picture is not in the form that this service draws")
    return [[bool(row[1 + x // 8] >> (7 - x % 8) & 1) for x in range(width)] for row in rows]


def _format(modules: Modules) -> tuple[int, int]:
    """Read error correction level and mask from the copy around the first corner, as the nearest of all that exist."""
    places = [(row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, column) for column in (7, 5, 4, 3, 2, 1, 0)]
    held = sum(modules[row][column] << bit for bit, (row, column) in enumerate(places))
    known = {BCH_type_info(level << 3 | mask): (level, mask) for level in _LEVELS for mask in range(8)}
    nearest = min(known, key=lambda one: (one ^ held).bit_count())
    if (nearest ^ held).bit_count() > _FORMATS_DIFFER_MAX:
        raise NoCode("the code is damaged: its format cannot be read")
    return known[nearest]


def _codewords(modules: Modules, version: int, mask: int) -> Iterator[int]:
    """Read the bytes in zigzag, two columns at a time from the right, over what is no pattern."""
    side, is_masked, fixed = len(modules), mask_func(mask), _patterns(version)
    bits: list[bool] = []
    for number, right in enumerate([*range(side - 1, 6, -2), *range(5, 0, -2)]):
        for row in range(side - 1, -1, -1) if number % 2 == 0 else range(side):
            bits += [
                modules[row][column] != is_masked(row, column)
                for column in (right, right - 1)
                if (row, column) not in fixed
            ]
    for at in range(0, len(bits) - 7, 8):
        yield sum(bit << (7 - place) for place, bit in enumerate(bits[at : at + 8]))


@cache
def _patterns(version: int) -> frozenset[tuple[int, int]]:
    """Name the modules that hold no data: finders with format, timing, alignment, version."""
    side = 17 + 4 * version
    found = {(row, column) for row in range(9) for column in range(9)}
    found |= {(row, column) for row in range(9) for column in range(side - 8, side)}
    found |= {(row, column) for row in range(side - 8, side) for column in range(9)}
    found |= {(6, place) for place in range(side)} | {(place, 6) for place in range(side)}
    centres = pattern_position(version)
    for row in centres:
        for column in centres:
            is_in_corner = (row, column) in {(6, 6), (6, side - 7), (side - 7, 6)}
            near = range(-2, 3)
            found |= set() if is_in_corner else {(row + down, column + right) for down in near for right in near}
    if version >= 7:
        found |= {(row, column) for row in range(6) for column in range(side - 11, side - 8)}
        found |= {(row, column) for row in range(side - 11, side - 8) for column in range(6)}
    return frozenset(found)


def _corrected(codewords: list[int], version: int, level: int) -> list[int]:
    """Take the blocks apart, correct each, and join their data."""
    blocks = rs_blocks(version, level)
    if len(codewords) < sum(block.total_count for block in blocks):
        raise NoCode("the code is damaged")
    stream = iter(codewords)
    held: list[list[int]] = [[] for _ in blocks]
    for number in range(max(block.data_count for block in blocks)):
        for block, words in zip(blocks, held, strict=True):
            if number < block.data_count:
                words.append(next(stream))
    for _ in range(blocks[0].total_count - blocks[0].data_count):
        for words in held:
            words.append(next(stream))
    whole = [_correct(words, block.total_count - block.data_count) for block, words in zip(blocks, held, strict=True)]
    return [word for block, words in zip(blocks, whole, strict=True) for word in words[: block.data_count]]


def _times(a: int, b: int) -> int:
    return EXP_TABLE[(LOG_TABLE[a] + LOG_TABLE[b]) % 255] if a and b else 0


def _value(polynomial: list[int], at: int) -> int:
    """Evaluate a polynomial over GF(256), highest power first."""
    found = 0
    for factor in polynomial:
        found = _times(found, at) ^ factor
    return found


def _correct(words: list[int], checks: int) -> list[int]:
    """Correct up to checks / 2 wrong bytes of a Reed-Solomon block (Berlekamp-Massey, then the errors' values)."""
    syndromes = [_value(words, EXP_TABLE[power]) for power in range(checks)]
    if not any(syndromes):
        return words
    locator = _locator(syndromes)
    wrong = [place for place in range(len(words)) if _value(locator[::-1], EXP_TABLE[(255 - place) % 255]) == 0]
    if len(wrong) != len(locator) - 1 or len(wrong) > checks // 2:
        raise NoCode("the code is damaged: a phone would not read it")
    fixed = list(words)
    for place, value in zip(wrong, _solved(wrong, syndromes), strict=True):
        fixed[len(words) - 1 - place] ^= value
    if any(_value(fixed, EXP_TABLE[power]) for power in range(checks)):
        raise NoCode("the code is damaged: a phone would not read it")
    return fixed


def _locator(syndromes: list[int]) -> list[int]:
    """Find the shortest polynomial that tells where errors are, lowest power first (Berlekamp-Massey)."""
    locator, before, length, shift, last = [1], [1], 0, 1, 1
    for number, syndrome in enumerate(syndromes):
        gap = syndrome
        for back in range(1, min(length, len(locator) - 1) + 1):
            gap ^= _times(locator[back], syndromes[number - back])
        if gap == 0:
            shift += 1
            continue
        scale = _times(gap, EXP_TABLE[(255 - LOG_TABLE[last]) % 255])
        moved = [0] * shift + [_times(scale, factor) for factor in before]
        size = max(len(locator), len(moved))
        joined = [
            (locator[at] if at < len(locator) else 0) ^ (moved[at] if at < len(moved) else 0) for at in range(size)
        ]
        if 2 * length <= number:
            before, length, last, shift = locator, number + 1 - length, gap, 1
        else:
            shift += 1
        locator = joined
    while locator[-1] == 0:
        locator.pop()
    return locator


def _solved(wrong: list[int], syndromes: list[int]) -> list[int]:
    """Solve for the errors' values: syndrome k is the sum of value * place^k (elimination over GF(256))."""
    count = len(wrong)
    rows = [[EXP_TABLE[place * power % 255] for place in wrong] + [syndromes[power]] for power in range(count)]
    for column in range(count):
        pivot = next((row for row in range(column, count) if rows[row][column]), None)
        if pivot is None:
            raise NoCode("the code is damaged: a phone would not read it")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        inverse = EXP_TABLE[(255 - LOG_TABLE[rows[column][column]]) % 255]
        rows[column] = [_times(inverse, value) for value in rows[column]]
        for row in range(count):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [a ^ _times(factor, b) for a, b in zip(rows[row], rows[column], strict=True)]
    return [rows[number][count] for number in range(count)]


def _text(data: list[int], version: int) -> str:
    """Read the segments: digits, capitals, bytes as UTF-8; any other mode is none of ours."""
    bits = "".join(f"{word:08b}" for word in data)
    wide = (version > 9) + (version > 26)
    at, found = 0, bytearray()
    while len(bits) - at >= 4 and (mode := int(bits[at : at + 4], 2)):
        at += 4
        size = {_NUMERIC_MODE: (10, 12, 14), _ALPHANUMERIC_MODE: (9, 11, 13), _BYTE_MODE: (8, 16, 16)}.get(mode)
        if size is None:
            raise NoCode("the code holds what no code of this service holds")
        count = int(bits[at : at + size[wide]] or "0", 2)
        at += size[wide]
        try:
            piece, used = _segment(mode, count, bits[at:])
        except (ValueError, IndexError) as error:
            raise NoCode("the code holds no text") from error
        found += piece
        at += used
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise NoCode("the code holds no text") from error


def _segment(mode: int, count: int, bits: str) -> tuple[bytes, int]:
    if mode == _BYTE_MODE:
        if len(bits) < 8 * count:
            raise ValueError("cut off")
        return bytes(int(bits[at : at + 8], 2) for at in range(0, 8 * count, 8)), 8 * count
    group, widths = (3, (0, 4, 7, 10)) if mode == _NUMERIC_MODE else (2, (0, 6, 11))
    sizes = [group] * (count // group) + ([count % group] if count % group else [])
    edges = [0]
    for size in sizes:
        edges.append(edges[-1] + widths[size])
    if len(bits) < edges[-1]:
        raise ValueError("cut off")
    values = [int(bits[start:end], 2) for start, end in pairwise(edges)]
    if mode == _NUMERIC_MODE:
        return "".join(f"{value:0{size}d}" for value, size in zip(values, sizes, strict=True)).encode(), edges[-1]
    pairs = (
        _ALPHANUMERIC[value // 45] + _ALPHANUMERIC[value % 45] if size == 2 else _ALPHANUMERIC[value]
        for value, size in zip(values, sizes, strict=True)
    )
    return "".join(pairs).encode(), edges[-1]
