"""QR codes: what we draw is what the standard's other implementations draw and read."""

import hashlib
import io
import re
import struct
import zlib
from typing import Any
from xml.etree import ElementTree

import pytest
import qrcodegen
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

from support_service import qr
from support_service.giving import Phrase, QrText
from tests.fixtures.payments import NBU_PARTS, SEED, built, code_of
from tests.fixtures.symbols import (
    circle_diameter,
    drawn_modules,
    has_zbar,
    picture,
    read_by_zbar,
    read_by_zxing,
    sign_radius,
)
from tests.vectors import vectors

ETH = "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2"
needs_zbar = pytest.mark.skipif(not has_zbar(), reason="zbar-tools is not installed")


def text_of(text: str, **drawn: Any) -> QrText:
    return QrText(text, Phrase("A scan copies it."), **drawn)


def nbu_text(purpose: str = "Благодійна допомога") -> QrText:
    return code_of(built("bank", {**NBU_PARTS, "purpose": purpose}))


def shown_codes() -> dict[str, QrText]:
    """Every kind of code the page shows: the five of the seed, NBU, EPC and a base58 address."""
    codes = {rail: code_of(built(rail)) for rail in SEED}
    codes["nbu"] = nbu_text()
    codes["nbu-long"] = nbu_text("Благодійна допомога на статутну діяльність " * 5)
    codes["epc"] = code_of(
        built("bank", {"iban": "DE33100205000001194700", "currency": "EUR", "receiver": "Фонд", "purpose": "Донат"})
    )
    codes["base58"] = code_of(built("bitcoin", {"address": "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"}))
    return codes


@pytest.mark.parametrize(("given_case", "expected"), vectors("QR-matrix"))
def test_the_generator_we_draw_from_makes_the_standards_modules(given_case: Any, expected: Any) -> None:
    symbol: Any = QRCode(error_correction=ERROR_CORRECT_M, border=0, mask_pattern=given_case["mask"])
    symbol.add_data(given_case["text"], optimize=0)
    symbol.make()
    rows = "\n".join("".join("1" if dark else "0" for dark in row) for row in symbol.modules)
    assert symbol.version == expected["qr_version"]
    assert hashlib.sha256(rows.encode()).hexdigest() == expected["sha256_of_rows"]


@pytest.mark.parametrize("text", ["5169335101647408", ETH, "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", nbu_text().text])
def test_our_matrix_is_one_of_the_eight_of_a_second_generator(text: str) -> None:
    segments = qrcodegen.QrSegment.make_segments(text)
    level = qrcodegen.QrCode.Ecc.MEDIUM
    others = [qrcodegen.QrCode.encode_segments(segments, level, mask=mask, boostecl=False) for mask in range(8)]
    ours = qr.matrix(text_of(text))
    size = len(ours)
    grids = [tuple(tuple(o.get_module(x, y) for x in range(size)) for y in range(size)) for o in others]
    assert others[0].get_size() == size
    assert ours in grids


@pytest.mark.parametrize("name", shown_codes())
def test_every_code_the_page_shows_is_read_back(name: str) -> None:
    code = shown_codes()[name]
    assert read_by_zxing(picture(qr.svg(code, name))) == code.text
    assert read_by_zxing(Image.open(io.BytesIO(qr.png(code)))) == code.text


@needs_zbar
@pytest.mark.parametrize("name", shown_codes())
def test_a_second_reader_agrees(name: str) -> None:
    code = shown_codes()[name]
    assert read_by_zbar(picture(qr.svg(code, name))) == code.text
    assert read_by_zbar(Image.open(io.BytesIO(qr.png(code)))) == code.text


@given(
    text=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=200),
    level=st.sampled_from("LMQH"),
)
@settings(max_examples=40, deadline=None)
def test_the_svg_darkens_exactly_the_modules(text: str, level: str) -> None:
    code = text_of(text, level=level)
    quiet = qr.QUIET_ZONE_MODULES
    modules = {(x + quiet, y + quiet) for y, row in enumerate(qr.matrix(code)) for x, dark in enumerate(row) if dark}
    svg = qr.svg(code, "code")
    assert drawn_modules(svg) == modules
    assert read_by_zxing(picture(svg)) == text


@pytest.mark.parametrize(("given_case", "expected"), vectors("NBU-QR-symbol"))
def test_the_circle_has_the_diameter_of_its_version(given_case: Any, expected: Any) -> None:
    code = text_of("https://qr.bank.gov.ua/", version_min=given_case["qr_version"], level="Q", has_hryvnia_sign=True)
    svg = qr.svg(code, "code")
    assert len(qr.matrix(code)) == given_case["modules"]
    assert circle_diameter(svg) == expected["circle"]
    assert expected["sign_circumscribed"] * 0.8 < 2 * sign_radius(svg) <= expected["sign_circumscribed"]


@pytest.mark.parametrize("version", [14, 15, 16, 17])
def test_a_code_with_the_sign_is_read_at_every_version_we_use(version: int) -> None:
    code = text_of(nbu_text().text, version_min=version, level="M", has_hryvnia_sign=True)
    assert read_by_zxing(picture(qr.svg(code, "code"))) == code.text
    assert not has_zbar() or read_by_zbar(picture(qr.svg(code, "code"))) == code.text


def test_a_sign_is_refused_where_the_standard_has_no_circle_for_it() -> None:
    with pytest.raises(qr.QrTextTooLong, match="version 10 to 17"):
        qr.svg(text_of("x" * 480, level="Q", has_hryvnia_sign=True), "code")


@pytest.mark.parametrize(("code", "bytes_max"), [(text_of(ETH), 1600), (nbu_text(), 6500)])
def test_a_drawing_is_small(code: QrText, bytes_max: int) -> None:
    assert len(qr.svg(code, "QR-код: Банківський рахунок (IBAN)").encode()) <= bytes_max


def test_an_svg_has_one_name_no_id_and_a_white_ground() -> None:
    root = ElementTree.fromstring(qr.svg(text_of(ETH), "Ether \"<&>'"))
    assert root.attrib["aria-label"] == "Ether \"<&>'"
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"] == "0 0 37 37"
    assert not {"id", "width", "height"} & {name for element in root.iter() for name in element.attrib}
    ground = root[0]
    assert (ground.get("fill"), ground.get("d")) == ("#fff", "M0 0h37v37H0z")


def test_an_svg_needs_no_style_that_a_strict_page_forbids() -> None:
    assert not re.search(r"style=|<style|<script|href|url\(", qr.svg(nbu_text(), "code"))


def test_a_png_is_one_bit_a_pixel_with_its_quiet_zone() -> None:
    image = qr.png(text_of(ETH))
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">IIBB", image[16:26]) == (37 * 8, 37 * 8, 1, 0)
    assert struct.unpack(">I", image[-4:])[0] == zlib.crc32(b"IEND")
    opened = Image.open(io.BytesIO(image))
    assert opened.crop((0, 0, 32, 37 * 8)).getextrema() == (255, 255)


def test_the_png_of_an_nbu_code_carries_the_sign() -> None:
    image = Image.open(io.BytesIO(qr.png(nbu_text()))).convert("L")
    middle, module = image.width // 2, qr.PNG_MODULE_PIXELS
    circle = image.crop((middle - 10 * module, middle - module, middle + 10 * module, middle + module))
    assert circle.getpixel((1, 1)) == 255
    assert 0.2 < sum(1 for value in circle.tobytes() if not value) / len(circle.tobytes()) < 0.8


@pytest.mark.parametrize("text", ["", "x" * (qr.TEXT_BYTES_MAX + 1), "ї" * qr.TEXT_BYTES_MAX])
def test_a_text_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(qr.QrTextTooLong, match=r"1 to 507 bytes"):
        qr.matrix(text_of(text))


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(qr.QrError, match="'X' is not"):
        qr.matrix(text_of(ETH, level="X"))


def test_a_drawing_is_made_once() -> None:
    assert qr.matrix(text_of(ETH)) is qr.matrix(text_of(ETH))
    assert qr.png(text_of(ETH)) is qr.png(text_of(ETH))
