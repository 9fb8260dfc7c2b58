"""Who sent a transfer from a wallet of their own signs a text, and it is known as theirs: once, and nobody else's."""

import itertools
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.constants import SECPK1_N
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from support_service.giving import Observation, Personal, State
from support_service.rails.evm.signed_text import signer
from support_service.web.answers.claim import LIMIT
from tests.fixtures.reports import Chain, transfer
from tests.fixtures.staff import NOON, House, build_house, forms
from tests.web.test_hostile_requests import VALUES

TX = "0x" + "ab" * 32
WALLET, OTHER = Account.from_key(b"\x01" * 32), Account.from_key(b"\x02" * 32)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    built = build_house(tmp_path, database_url)
    yield built
    built.ledger.dispose()


def sent(house: House, *more: Observation) -> None:
    mine = transfer(TX, state=State.CONFIRMED, occurred_at=NOON, personal=Personal(payer=WALLET.address))
    Chain(house.ledger).says(mine, *more)


def post(house: House, path: str = "/arrived/claim", **said: str) -> TestResponse:
    return house.visitor(f"10.0.0.{len(said) % 200}").client.post(f"{path}?lang=en", data=said)


def text_of(answer: TestResponse) -> tuple[str, dict[str, str]]:
    """Read the text to sign and what its form sends with the signature."""
    found = re.search(r"data-text>([^<]+)</pre>", answer.text)
    assert found, answer.text
    (form,) = [one for one in forms(answer.text) if one.action.startswith("/arrived/claim")]
    return unescape(found[1]), form.fields


def sign(text: str, wallet: object = WALLET) -> str:
    signed = wallet.sign_message(encode_defunct(text=text))  # type: ignore[attr-defined]
    return "0x" + bytes(signed.signature).hex()


def claimed(house: House, wallet: object = WALLET, **said: str) -> TestResponse:
    text, fields = text_of(post(house, tx=TX, **said))
    return post(house, **(fields | {"signature": sign(text, wallet)}))


def row(house: House) -> dict[str, object]:
    (told,) = house.ledger.export()
    return dict(told)


def test_the_text_says_who_asks_what_for_and_all_that_is_claimed(house: House) -> None:
    sent(house)
    text, _ = text_of(post(house, tx=f"https://etherscan.io/tx/{TX}", name="Олена\nURI: evil", message="Дякую"))
    lines = text.splitlines()
    assert lines[0].startswith("http://127.0.0.1:8000: ")
    assert f"Transaction: {TX}" in lines and "Network: ethereum" in lines
    assert "Name: Олена URI: evil" in lines and "Message: Дякую" in lines
    assert WALLET.address not in text
    assert any(re.fullmatch(r"Nonce: [0-9a-f]{32}", line) for line in lines)


def test_the_sender_claims_a_gift_once_and_staff_undo_it_in_one_click(house: House) -> None:
    sent(house)
    found = post(house, "/arrived", tx=TX)
    assert 'action="/arrived/claim?lang=en"' in found.text
    answer = claimed(house, name="Олена", message="Дякую за роботу")
    assert answer.status_code == 303
    ref = re.findall(r"/gift/([0-9a-f]{32})", answer.location)[0]
    assert "Received. Thank you!" in house.visitor().client.get(answer.location).text
    told, intent = row(house), house.ledger.intents.find(ref)
    assert intent is not None and (intent.personal.payer, intent.personal.message) == ("Олена", "Дякую за роботу")
    assert (told["matched_by"], told["support_code"]) == ("claim", intent.support_code)
    # Again, it is the same one, whatever is said now.
    assert claimed(house, name="Another").location == answer.location
    assert house.ledger.intents.find(ref) == intent
    anna, gift = house.person(), house.ledger.donations()[0].donation.identity.ref
    page = anna.get(f"/staff/donations/{gift}", lang="en").text
    assert "Олена" in page and "the wallet that sent it signed for it" in page
    assert "Олена" not in house.person("viewer", "v@example.org").get(f"/staff/donations/{gift}", lang="en").text
    (undo,) = [form for form in forms(page) if form.action.startswith(f"/staff/donations/{gift}/match")]
    assert anna.client.post(undo.action, data=undo.fields | {"code": ""}).status_code == 303
    assert row(house)["matched_by"] is None
    # What a person took back stays so.
    assert claimed(house, name="Олена").status_code == 409
    assert house.ledger.verify() == []


@pytest.mark.parametrize("trick", ["other wallet", "other name", "old text", "no nonce", "other language", "garbage"])
def test_nobody_else_and_nothing_else_claims_it(house: House, trick: str) -> None:
    sent(house)
    text, fields = text_of(post(house, tx=TX, name="Олена"))
    signature = sign(text, OTHER if trick == "other wallet" else WALLET)
    if trick == "other name":
        fields["name"] = "Злодій"
    if trick == "old text":
        house.clock.advance(seconds=3_700)
    if trick == "no nonce":
        fields["nonce"] = ""
    if trick == "garbage":
        signature = "0x" + "00" * 65
    path = "/arrived/claim?lang=uk" if trick == "other language" else "/arrived/claim?lang=en"
    answer = house.visitor().client.post(path, data=fields | {"signature": signature})
    assert answer.status_code == 400
    assert WALLET.address not in answer.text and WALLET.address.lower() not in answer.text
    assert row(house)["support_code"] is None


def test_what_nobody_can_sign_for_says_so_and_tells_no_more(house: House) -> None:
    assert post(house, tx=TX).status_code == 404
    assert post(house, tx="nothing").status_code == 400
    sent(house, transfer("cd" * 32, network="bitcoin", asset="BTC", rail="bitcoin", method="btc"))
    assert post(house, tx="cd" * 32).status_code == 404
    assert post(house, tx=TX, gift="0" * 32).status_code == 404
    assert post(house, tx=TX, gift="'; --").status_code == 404
    assert post(house, tx=TX, name="x" * 101).status_code == 400
    strange = house.visitor().client.post("/arrived/claim", data={"tx": TX}, headers={"Origin": "https://evil.example"})
    assert strange.status_code == 403


def test_a_gift_that_was_begun_on_its_own_page_is_found_whatever_sum_was_sent(house: House) -> None:
    sent(house)
    begun = post(house, "/gift", way="eth:ETH", amount="3", article="https://example.com/a")
    ref = re.findall(r"/gift/([0-9a-f]{32})", begun.location)[0]
    page = house.visitor().client.get(f"/gift/{ref}?lang=en").text
    (look,) = [form for form in forms(page) if form.action.startswith("/arrived")]
    found = post(house, "/arrived", **(look.fields | {"tx": TX}))
    (form,) = [one for one in forms(found.text) if one.action.startswith("/arrived/claim")]
    text, fields = text_of(post(house, **form.fields))
    made = house.ledger.intents.find(ref)
    assert made is not None and f"Gift: {made.support_code}" in text
    answer = post(house, **(fields | {"signature": sign(text)}))
    assert answer.location == f"/gift/{ref}?lang=en"
    told = row(house)
    assert (told["article"], told["support_code"], told["matched_by"]) == (
        "https://example.com/a",
        made.support_code,
        "claim",
    )


def test_no_value_in_any_field_claims_or_breaks_anything(house: House) -> None:
    sent(house)
    _, good = text_of(post(house, tx=TX))
    fields = ("tx", "name", "message", "gift", "at", "nonce", "signature")
    for number, (field, value) in enumerate(itertools.product(fields, VALUES)):
        said = good | {"signature": f"0x{'11' * 64}1b"} | {field: value}
        told = {name: text.encode("utf-8", "surrogatepass") for name, text in said.items()}
        client = house.visitor(f"10.{number // 250}.{number % 250}.1").client
        answer = client.post("/arrived/claim", data=told)
        assert answer.status_code in {200, 400, 404, 413, 429}, (field, value[:40])
        assert "<script>" not in answer.text
    assert row(house)["support_code"] is None


def test_claims_are_counted_and_a_flood_is_stopped(house: House) -> None:
    sent(house)
    client = house.visitor("203.0.113.9").client
    answers = [client.post("/arrived/claim", data={"tx": TX}).status_code for _ in range(LIMIT.place_max + 1)]
    assert answers == [200] * LIMIT.place_max + [429]


@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=80), key=st.integers(1, SECPK1_N - 1))
def test_a_signature_tells_its_wallet_and_any_other_writing_of_it_nobody(text: str, key: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    wallet = Account.from_key(key.to_bytes(32))
    signed = wallet.sign_message(encode_defunct(text=text))
    whole = bytes(signed.signature)
    for last in (whole[64], whole[64] - 27):
        assert signer(text, f"sig: 0x{whole[:64].hex()}{last:02x}\n") == wallet.address
    high = (SECPK1_N - signed.s).to_bytes(32)
    wrong = [whole[:32] + high + bytes([55 - whole[64]]), whole[:64] + b"\x1d", whole[:64] + b"\x25", whole[:64]]
    wrong += [bytes(32) + whole[32:], whole[:32] + bytes(32) + whole[64:], b"\xff" * 64 + b"\x1b", whole + b"\x00"]
    assert [signer(text, f"0x{one.hex()}") for one in wrong] == [None] * len(wrong)
    assert signer(text, "") is signer(text, f"0x{whole.hex()} 0x{bytes(65).hex()}") is None
    assert signer(text + ".", f"0x{whole.hex()}") != wallet.address
