"""Addresses are signed elsewhere, shown only as signed, and compared from outside: no changed character is missed."""

import json
import logging
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from flask import Flask
from werkzeug.serving import make_server

from support_service import qr
from support_service.app import build_door, create_app
from support_service.assembly import Assembly, assemble
from support_service.giving import Phrase, QrText
from support_service.manifest import minisign
from support_service.manifest.answers import Truth, judge
from support_service.manifest.document import read_document, write_document
from support_service.manifest.minisign import BadKey, BadSignature
from support_service.manifest.proof import Trust, prove
from support_service.manifest.qr_reader import NoCode, read_modules, read_png, read_svg
from support_service.settings import SettingsError
from support_service.web.proved import ProvedAddresses
from support_service.web.service import EXTENSION, Service
from tests.fixtures.door import Asked, Fields, ask
from tests.fixtures.service import Command, write_settings
from tests.fixtures.site import NBU, NOW, assembled

# A campaign asks for 12,000.
TAMPERINGS = int(os.environ.get("TAMPERINGS", "400"))
BASE = "http://127.0.0.1:8000"
PAGES = ("/support", "/support?lang=en", "/.well-known/support-methods.json")
# Look-alikes of other alphabets, what no address holds, and what nobody sees.
STRANGE = "0OIlоаеАВ-. \u200b\u202e"

# Made by minisign 0.11 of Debian: keys, and signatures of b"hello\n", hashed and legacy.
THEIR_PUBLIC = "RWR8orceSkBQtVLDV8MkMGpvn0A0J8GGmeDhEx59N6hQMkf17cIUaUwU"
THEIR_SECRET = """untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAfKK3HkpAULXTntOEqyLZa+fEToWgU1aw68qlFACpQaL1DJyS9MQMG1LDV8MkMGpvn0A0J8GGmeDhEx59N6hQMkf17cIUaUwUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""
THEIR_SIGNATURES = (
    """untrusted comment: signature from minisign secret key
RUR8orceSkBQtUO2rnYl/MGxDKDQeq61eFVQhrGDXfND4qDCrhEC5vLyNRSNtveRuW1mkQfgnE2Q4Bru5/a5uyXlujDa0mJFOwU=
trusted comment: made by minisign
l1Bk1o4x2uMJz6leOyCX5IgfLbQwzayY9HKhBRBko2LFzUU3jLHC0gTExeGaVTyTS2INnD+hYz+uz70TrNDmBw==
""",
    """untrusted comment: signature from minisign secret key
RWR8orceSkBQtaC0ADQIusWGhDLP6SnwH77jG6xVHTHRXf8iR26fE3+g2Fzqwh6LIulixixgP3ly0a6uEam7tJODza1jtP9aogU=
trusted comment: legacy
zQ/bwuoz965AZtujfGzF/yWh6FQJdhthvqGN5iWAnr9PKA9tT88OrfITDgCAT2saOfkqn4m2UJNsuP2bELtWBA==
""",
)
# The same, with the password "battery", which minisign locks with a gigabyte of scrypt.
LOCKED_PUBLIC = "RWS3OXvcLz+4wjm6N0leh6j+WsgBhiDNwT8hPtiNbMrmpavgD3kv6J/r"
LOCKED_SECRET = """untrusted comment: minisign encrypted secret key
RWRTY0IyX1W9eJ/0upCbZNc529OcvE1OmBqhHKYuuijhGTwRh24AAAACAAAAAAAAAEAAAAAAE4z9dDXF/RjoA3xP/l2OVxzCkHkR5L3Fi3YxTZ+2JA9GnRriR42yP2h+6L6kJkM5TgO2x3eDJcMu+5dwtBi367YkHa7ni7jqo2YBdoAarNT5VBgtcOjjtULMpDyYwaB2K/O7xPBSSyQ=
"""


def test_what_minisign_signed_is_believed_and_nothing_else() -> None:
    key = minisign.read_public_key(THEIR_PUBLIC)
    assert [minisign.verify(key, b"hello\n", one) for one in THEIR_SIGNATURES] == ["made by minisign", "legacy"]
    other = minisign.make_key().public
    for signature in THEIR_SIGNATURES:
        for wrong_key, message, text in (
            (other, b"hello\n", signature),
            (key, b"hello", signature),
            (key, b"hello\n", signature.replace("trusted comment: ", "trusted comment: not ", 2)),
            (key, b"hello\n", signature[:-10]),
            (key, b"hello\n", ""),
        ):
            with pytest.raises(BadSignature):
                minisign.verify(wrong_key, message, text)


def test_keys_of_minisign_are_read_and_ours_come_back() -> None:
    assert minisign.read_secret_key(THEIR_SECRET, "").public.text == THEIR_PUBLIC
    assert minisign.read_secret_key(LOCKED_SECRET, "battery").public.text == LOCKED_PUBLIC
    key = minisign.make_key()
    locked = minisign.write_secret_key(key, "пароль")
    assert minisign.needs_password(locked)
    assert minisign.read_secret_key(locked, "пароль") == key
    assert minisign.read_secret_key(minisign.write_secret_key(key, ""), "") == key
    assert minisign.read_public_key(key.public.file) == key.public
    for text in ("", "RW", "x" * 56, THEIR_PUBLIC[:-1], THEIR_SECRET):
        with pytest.raises(BadKey):
            minisign.read_public_key(text)
    assert "seed" not in repr(key)


@pytest.fixture
def light_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock keys with little memory: how much stands in each file, and it is opened as any other."""
    monkeypatch.setattr(minisign, "_OPERATIONS", 32_768)
    monkeypatch.setattr(minisign, "_MEMORY_BYTES", 1 << 24)


def test_another_password_opens_no_key(light_locks: None) -> None:
    key = minisign.make_key()
    locked = minisign.write_secret_key(key, "пароль")
    assert minisign.read_secret_key(locked, "пароль") == key
    with pytest.raises(BadKey, match="password"):
        minisign.read_secret_key(locked, "інший")


@pytest.mark.skipif(not shutil.which("minisign"), reason="minisign is not on this machine; its own files are above")
def test_minisign_itself_believes_what_we_sign(tmp_path: Path) -> None:
    key, file = minisign.make_key(), tmp_path / "doc"
    file.write_bytes(b"hello\n")
    (tmp_path / "doc.minisig").write_text(minisign.sign(key, b"hello\n", "ours"))
    subprocess.run(["minisign", "-V", "-P", key.public.text, "-m", file], check=True)


def test_every_code_we_draw_is_read_also_where_a_phone_must_correct_it() -> None:
    chance = Random(7)
    for number in range(60):
        alphabet = ("0123456789", "ABC 123:/$", "abcїґ x0")[number % 3]
        text = "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 120))).strip() or "x"
        drawn = QrText(text, Phrase(""), level=chance.choice("LMQH"), version_min=chance.randint(1, 12))
        assert read_svg(qr.svg(drawn, "a <name> & more")) == text
        if number % 10 == 0:
            assert read_png(qr.png(drawn)) == text
        spoilt = [list(row) for row in qr.matrix(drawn)]
        for _ in range(2):
            row, column = chance.randrange(len(spoilt)), chance.randrange(len(spoilt))
            spoilt[row][column] = not spoilt[row][column]
        assert read_modules(tuple(tuple(row) for row in spoilt)) == text


@pytest.mark.parametrize("svg", ["", "<svg/>", '<svg xmlns="http://www.w3.org/2000/svg"></svg>', "x" * 10_000])
def test_a_picture_that_is_not_our_own_drawing_is_refused(svg: str) -> None:
    with pytest.raises(NoCode):
        read_svg(svg)
    with pytest.raises(NoCode):
        read_png(svg.encode())
    code = qr.svg(QrText("hello", Phrase("")), "x")
    with pytest.raises(NoCode):
        read_svg(code.replace("</svg>", '<rect width="9" height="9"/></svg>'))


@dataclass(frozen=True)
class House:
    """A service whose addresses are signed, and the key that signed them."""

    folder: Path
    key: minisign.SecretKey
    assembly: Assembly

    @property
    def trust(self) -> Trust:
        assert self.assembly.trust
        return self.assembly.trust

    def sign(self, assembly: Assembly, key: minisign.SecretKey | None = None) -> None:
        text = write_document("Example", BASE, assembly.methods, NOW)
        self.trust.file.write_bytes(text)
        self.trust.signature_file.write_text(minisign.sign(key or self.key, text, "a test"))


@pytest.fixture(scope="module")
def secret() -> minisign.SecretKey:
    return minisign.make_key()


@pytest.fixture
def house(tmp_path: Path, secret: minisign.SecretKey) -> House:
    made = House(tmp_path, secret, _signed(tmp_path, secret))
    made.sign(made.assembly)
    return made


def _signed(folder: Path, secret: minisign.SecretKey, changes: dict[str, str] | None = None) -> Assembly:
    table = f'[manifest]\npublic_key = "{secret.public.text}"\n\n[database]'
    return assembled(folder, NBU | {"[database]": table} | (changes or {}))


def app_of(house: House) -> Flask:
    return create_app(house.assembly, clock=lambda: NOW)


def addresses_of(app: Flask) -> ProvedAddresses:
    at: Service = app.extensions[EXTENSION]
    return at.addresses


def get(door: object, path: str) -> tuple[int, str]:
    where, _, query = path.partition("?")
    heard = ask(door, Asked("GET", where, query, Fields([("host", "127.0.0.1:8000")])))  # type: ignore[arg-type]
    return heard.status, heard.body.decode("utf-8", "replace")


def opened(house: House, app: Flask | None = None) -> Callable[[str], tuple[int, str]]:
    door = build_door(app or app_of(house), house.assembly)
    door.warm()
    return lambda path: get(door, path)


def test_what_is_signed_is_shown_with_its_signature(house: House) -> None:
    page = opened(house)
    told = json.loads(page("/.well-known/support-methods.json")[1])
    signature = told["signature"]
    assert minisign.verify(house.key.public, signature["document"].encode(), signature["minisig"]) == "a test"
    assert [one["key"] for one in told["methods"]] == ["card", "iban", "eth", "btc", "usdt"]
    assert page("/.well-known/support-methods.signed.json") == (200, house.trust.file.read_text())
    assert page("/.well-known/support-methods.signed.json.minisig") == (200, house.trust.signature_file.read_text())
    for lang, words in (("uk", "Як звірити"), ("en", "How to compare")):
        status, text = page(f"/verify?lang={lang}")
        assert (status, words in text, house.key.public.text in text) == (200, True, True)


def test_without_a_manifest_everything_is_shown_and_nothing_claimed(tmp_path: Path) -> None:
    assembly = assembled(tmp_path)
    door = build_door(create_app(assembly), assembly)
    door.warm()
    assert json.loads(get(door, "/.well-known/support-methods.json")[1])["signature"] is None
    assert get(door, "/.well-known/support-methods.signed.json")[0] == 404
    assert "minisign" not in get(door, "/verify?lang=en")[1]


def test_one_method_that_differs_disappears_everywhere_and_all_else_stays(house: House) -> None:
    honest, swapped = "TMKUjnNbCN4Bv6Vvtyh7e3mnyz5QB9nu6V", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
    changed = House(house.folder, house.key, _signed(house.folder, house.key, {honest: swapped}))
    page = opened(changed)
    for path in ("/support", "/widget", "/verify", "/widget.js", "/.well-known/support-methods.json"):
        status, text = page(path)
        assert status == 200
        assert swapped not in text
        assert path in {"/widget", "/widget.js"} or "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2" in text.replace(
            "</span><wbr><span>", ""
        )
    assert page("/qr/usdt.svg")[0] == page("/qr/usdt.png")[0] == 404
    assert page("/qr/eth.svg")[0] == 200
    assert "not shown now" in page("/support?lang=en")[1]


@pytest.mark.parametrize("harm", ["no file", "no signature", "other key", "changed", "empty", "not json"])
def test_a_manifest_that_proves_nothing_hides_every_method_and_the_page_stays(house: House, harm: str) -> None:
    file, signature = house.trust.file, house.trust.signature_file
    match harm:
        case "no file":
            file.unlink()
        case "no signature":
            signature.unlink()
        case "other key":
            house.sign(house.assembly, minisign.make_key())
        case "changed":
            file.write_bytes(file.read_bytes() + b" ")
        case "empty":
            file.write_bytes(b"")
        case _:
            file.write_bytes(b"hello")
            signature.write_text(minisign.sign(house.key, b"hello", ""))
    app = app_of(house)
    page = opened(house, app)
    assert json.loads(page("/.well-known/support-methods.json")[1])["methods"] == []
    assert page("/support")[0] == page("/verify")[0] == page("/widget")[0] == 200
    assert page("/qr/eth.svg")[0] == 404
    assert "no method is shown" in addresses_of(app).problems[0]
    with app.test_request_context("/", base_url=BASE):
        from support_service.web.staff.alarm import staff_alarm

        assert "not as they were signed" in staff_alarm()[0].text


def test_a_running_service_follows_its_manifest(house: House, caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(house)
    door = build_door(app, house.assembly)
    door.warm()
    assert get(door, "/qr/eth.svg")[0] == 200
    assert not addresses_of(app).look(), "nothing changed"
    held = house.trust.signature_file.read_text()
    house.trust.signature_file.write_text(held.replace("trusted comment: a", "trusted comment: b"))
    with caplog.at_level(logging.ERROR):
        assert addresses_of(app).look()
    door.warm()
    assert get(door, "/qr/eth.svg")[0] == 404
    assert "address_unproved" in caplog.text
    house.trust.signature_file.write_text(held)
    assert addresses_of(app).look()
    door.warm()
    assert get(door, "/qr/eth.svg")[0] == 200
    assert addresses_of(app).problems == ()


def test_a_template_with_a_foreign_address_is_not_given_to_readers(house: House) -> None:
    app = app_of(house)
    source = (Path(str(app.template_folder)) / "support.html").read_text(encoding="utf-8")
    from jinja2 import ChoiceLoader, DictLoader

    assert app.jinja_loader
    harmed = source.replace("{% block main %}", "{% block main %}<p>0x52908400098527886E0F7030069857D2E4169EE7</p>")
    app.jinja_loader = ChoiceLoader([DictLoader({"support.html": harmed}), app.jinja_loader])
    page = opened(house, app)
    status, text = page("/support")
    assert status == 503
    assert "0x5290" not in text
    assert page("/support?article=https://example.com/a")[0] == 503
    assert page("/verify")[0] == page("/qr/eth.svg")[0] == 200
    assert any(problem.startswith("/support: ") for problem in addresses_of(app).problems)


def test_a_public_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"manifest\.public_key.*minisign"):
        assembled(tmp_path, {"[database]": '[manifest]\npublic_key = "RWabc"\n\n[database]'})


# --- tampering: one character of one address, anywhere ---


def tampered(text: str, chance: Random) -> str:
    """Change, drop or add one character."""
    at = chance.randrange(len(text))
    alphabet = STRANGE if chance.random() < 0.3 else "0123456789abcdefABCDEFxyzXYZ"
    sign = chance.choice([one for one in alphabet if one != text[at]])
    match chance.randrange(4):
        case 0:
            return (
                text[:at] + text[at + 1 :] if text[at + 1 : at + 2] != text[at] else text[:at] + sign + text[at + 1 :]
            )
        case 1:
            return text[:at] + sign + text[at:]
        case _:
            return text[:at] + sign + text[at + 1 :]


def test_no_changed_character_of_the_settings_is_shown(house: House) -> None:
    """Either the settings are refused (a checksum), or the method is hidden."""
    file = house.assembly.settings.file
    text, chance = file.read_text(encoding="utf-8"), Random(12)
    places = [str(value) for method in tomllib.loads(text)["methods"] for value in method.values() if len(value) > 12]
    shown = refused = hidden = 0
    for _ in range(TAMPERINGS):
        place = chance.choice(places)
        harmed = text.replace(f'"{place}"', json.dumps(tampered(place, chance), ensure_ascii=False))
        file.write_text(harmed, encoding="utf-8")
        try:
            changed = assemble(file)
        except SettingsError:
            refused += 1
            continue
        proof = prove(changed.trust, changed.methods)
        was = {method.key: method for method in house.assembly.methods}
        shown += sum(method != was[method.key] for method in proof.methods)
        hidden += len(proof.methods) < len(was)
    assert shown == 0
    assert refused > TAMPERINGS / 2
    assert hidden, "no tampering passed the checksums: the manifest was never asked"


def test_no_changed_character_of_manifest_or_signature_is_believed(house: House) -> None:
    chance = Random(13)
    for file in (house.trust.file, house.trust.signature_file):
        whole = file.read_bytes()
        for _ in range(TAMPERINGS // 4):
            at = chance.randrange(len(whole))
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(7)]) + whole[at + 1 :])
            proof = prove(house.trust, house.assembly.methods)
            is_untrusted_comment = file is house.trust.signature_file and at < whole.index(b"\n")
            assert (proof.methods == ()) or is_untrusted_comment or proof.methods == house.assembly.methods
            if file is house.trust.file:
                assert proof.methods == ()
        file.write_bytes(whole)


@pytest.fixture
def truth(house: House) -> Truth:
    return Truth.of(read_document(house.trust.file.read_bytes()))


def test_every_changed_character_of_a_served_page_is_found(house: House, truth: Truth) -> None:
    page, chance = opened(house), Random(14)
    places = sorted(truth.places.places)
    found = 0
    for path in PAGES:
        mimetype = "application/json" if path.endswith("json") else "text/html"
        whole = page(path)[1]
        assert judge(mimetype, whole.encode(), truth).problems == []
        spots = [(at, place) for place in places for at in _occurrences(whole, place)]
        assert spots, path
        for _ in range(TAMPERINGS // len(PAGES)):
            at, place = chance.choice(spots)
            harmed = whole[:at] + tampered(place, chance) + whole[at + len(place) :]
            assert harmed != whole
            assert judge(mimetype, harmed.encode(), truth).problems, (path, harmed[at - 20 : at + 60])
            found += 1
    assert found >= TAMPERINGS - len(PAGES)


def _occurrences(text: str, place: str) -> Iterator[int]:
    at = text.find(place)
    while at >= 0:
        yield at
        at = text.find(place, at + 1)


def test_every_changed_group_for_the_eye_is_found(house: House, truth: Truth) -> None:
    """What readers type from the page stands in groups, each in an element of its own."""
    whole = opened(house)("/support")[1]
    groups = [part.partition("<")[0] for part in whole.split("<span>")[1:] if "</span><wbr>" in part[:40]]
    assert len(groups) > 20
    chance = Random(15)
    for group in groups:
        harmed = whole.replace(f"<span>{group}</span>", f"<span>{tampered(group, chance)}</span>", 1)
        assert judge("text/html", harmed.encode(), truth).problems, group


def test_every_changed_code_is_found(house: House, truth: Truth) -> None:
    chance = Random(16)
    for method in house.assembly.methods:
        assert method.qr
        assert judge("image/svg+xml", qr.svg(method.qr, "x").encode(), truth).problems == []
        for number in range(TAMPERINGS // 20):
            place = next(value for name, value in method.facts if name in {"address", "iban", "number"})
            text = method.qr.text.replace(place, tampered(place, chance))
            if text == method.qr.text:
                text = tampered(method.qr.text, chance)
            drawn = QrText(text.encode("utf-8", "replace").decode(), Phrase(""))
            assert judge("image/svg+xml", qr.svg(drawn, "x").encode(), truth).problems, text
            if number == 0:
                assert judge("image/png", qr.png(drawn), truth).problems


FOREIGN = {
    "EVM": "0x52908400098527886E0F7030069857D2E4169EE7",
    "Bitcoin": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "old Bitcoin": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "TRON": "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
    "IBAN": "UA213223130000026007233566001",
    "grouped IBAN": "UA21 3223 1300 0002 6007 2335 6600 1",
    "other IBAN": "DE89370400440532013000",
    "card": "4242424242424242",
    "grouped card": "4242 4242 4242 4242",
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("where", ["<p>{}</p>", '<a href="ethereum:{}@1">x</a>', '<b data-copy="{}">', "<!-- {} -->"])
def test_a_foreign_place_for_money_is_found_anywhere(truth: Truth, kind: str, where: str) -> None:
    html = f"<!doctype html><title>x</title>{where.format(FOREIGN[kind])}"
    assert judge("text/html", html.encode(), truth).problems
    assert judge("text/javascript", f'var a="{FOREIGN[kind]}"'.encode(), truth).problems


@pytest.mark.parametrize(
    "text",
    [
        "Call 050 123 45 67, order 1234567890123, on 2026-11-28 at 12:00",
        "https://example.com/news/7169335101647407?utm=0xabc",
        "0x" + "ab" * 32,
        "sha256 " + "0123456789abcdef" * 4,
        "UA is a country; BIC PBANUA2XXXX",
        "1,234,567,890,123.45 UAH",
    ],
)
def test_what_is_no_place_for_money_is_left_alone(truth: Truth, text: str) -> None:
    assert judge("text/html", f"<p>{text}</p>".encode(), truth).problems == []


def test_a_code_with_a_sum_in_it_still_leads_to_the_signed_place(house: House, truth: Truth) -> None:
    btc = next(method for method in house.assembly.methods if method.key == "btc")
    assert btc.qr
    drawn = QrText(f"{btc.qr.text}?amount=0.01", Phrase(""))
    assert judge("image/svg+xml", qr.svg(drawn, "x").encode(), truth).problems == []
    foreign = QrText("https://evil.example/pay", Phrase(""))
    assert judge("image/svg+xml", qr.svg(foreign, "x").encode(), truth).problems


# --- the commands ---


@pytest.fixture
def served(house: House) -> Iterator[str]:
    """The page as somebody else's machine gets it, with the page of an attacker beside it."""
    app = app_of(house)

    @app.get("/swapped")
    def swapped() -> str:
        return "<p>Send to 0x52908400098527886E0F7030069857D2E4169EE7</p>"

    app.config["TRUSTED_HOSTS"] = None
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)


def test_attest_says_that_live_pages_are_as_signed(command: Command, house: House, served: str) -> None:
    file = house.assembly.settings.file
    urls = [f"{served}{path}" for path in ("/support", "/widget", "/verify", "/qr/iban.png", "/widget.js")]
    told = command("--config", file, "attest", *urls)
    assert told.exit_code == 0, told.stderr
    assert "5 codes, all as signed" in told.stdout
    alone = command("--config", "/none", "attest", "--public-key", house.key.public.text, f"{served}/support")
    assert alone.exit_code == 0, alone.stderr


def test_attest_names_what_is_not_signed(command: Command, house: House, served: str) -> None:
    file = house.assembly.settings.file
    told = command("--config", file, "attest", f"{served}/swapped", f"{served}/none", "ftp://example.com/")
    assert told.exit_code == 1
    assert "0x52908400098527886E0F7030069857D2E4169EE7 is not signed" in told.stderr
    assert "answers 404" in told.stderr
    assert "must begin with https" in told.stderr
    other = minisign.make_key().public.text
    told = command("--config", file, "attest", "--public-key", other, f"{served}/support")
    assert (told.exit_code, "another key" in told.stderr) == (1, True)


def test_a_key_is_made_methods_are_signed_and_a_change_is_named(
    command: Command, settings_file: Path, tmp_path: Path, light_locks: None
) -> None:
    key = tmp_path / "elsewhere.key"
    made = command("manifest", "keygen", key, "--password-stdin", stdin="a password\n")
    assert made.exit_code == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert command("manifest", "keygen", key).exit_code == 1
    text = settings_file.read_text(encoding="utf-8")
    assert command("--config", settings_file, "manifest", "check").exit_code == 1
    write_settings(tmp_path, text + "\n" + made.stdout[made.stdout.index("[manifest]") :])
    assert command("--config", settings_file, "check").exit_code == 1, "nothing is signed yet"
    signing = ("--config", settings_file, "manifest", "sign", "--key", key, "--password-stdin")
    wrong = command(*signing, stdin="other\n")
    assert (wrong.exit_code, "password" in wrong.stderr) == (1, True)
    done = command(
        "--config", settings_file, "manifest", "sign", "--key", key, "--password-stdin", stdin="a password\n"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2" in done.stdout
    assert command("--config", settings_file, "manifest", "check").exit_code == 0
    assert command("--config", settings_file, "check").exit_code == 0
    swapped = settings_file.read_text(encoding="utf-8").replace("5169335101647408", "4242424242424242")
    write_settings(tmp_path, swapped)
    told = command("--config", settings_file, "manifest", "check")
    assert told.exit_code == 1
    assert 'card: number: "4242424242424242" is not the signed "5169335101647408"' in told.stderr
    assert command("--config", settings_file, "check").exit_code == 1


def test_another_key_than_the_settings_name_signs_nothing(command: Command, house: House, tmp_path: Path) -> None:
    assert command("manifest", "keygen", tmp_path / "other.key").exit_code == 0
    told = command("--config", house.assembly.settings.file, "manifest", "sign", "--key", tmp_path / "other.key")
    assert (told.exit_code, "another key" in told.stderr) == (1, True)
    assert datetime.fromisoformat(json.loads(house.trust.file.read_bytes())["signed_at"]) == NOW.astimezone(UTC)
