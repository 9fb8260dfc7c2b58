"""The five methods of a real support block, and which standard each outside vector belongs to."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support_service.rails.bank.account import read_iban
from support_service.rails.bitcoin.address import CHAINS
from support_service.rails.bitcoin.address import read_address as read_bitcoin
from support_service.rails.card.method import card_number
from support_service.rails.evm.address import read_address as read_evm
from support_service.rails.options import BadOption
from support_service.rails.tron.address import read_address as read_tron
from tests.fixtures.payments import SEED, build, built, code_of
from tests.vectors import standards, vectors

TESTS = Path(__file__).parents[1]

TESTED_IN = {
    "test_qr.py": {"QR-matrix", "NBU-QR-symbol"},
    "rails/test_methods.py": {"seed"},
    "rails/card/test_method.py": {"ISO-7812-luhn", "card-display"},
    "rails/bank/test_method.py": {"IBAN-UA", "UA-edrpou", "UA-rntrc"},
    "rails/bank/test_nbu.py": {
        "NBU-QR-001", "NBU-QR-002", "NBU-QR-003", "NBU-QR-003-lock", "NBU-QR-amount", "NBU-QR-charset",
    },
    "rails/bank/test_epc.py": {"EPC069-12", "EPC069-12-amount", "ISO-11649"},
    "rails/evm/test_method.py": {"EIP-55", "EIP-681"},
    "rails/bitcoin/test_method.py": {"BIP-173", "BIP-321", "BIP-350", "base58", "base58check"},
    "rails/tron/test_method.py": {"TRON-address"},
}  # fmt: skip
OUT_OF_SCOPE = {
    "EIP-3770": "still a draft, for display only: we name the network in words",
    "LUD-01": "Lightning needs a node of its own; nothing here speaks it",
    "LUD-16": "Lightning needs a node of its own; nothing here speaks it",
    "PIX-BRCode": "a Brazilian instant payment; no rail for it",
    "EMV-CRC16": "the checksum of EMVCo codes such as Pix; no rail for them",
}


def test_every_standard_of_the_vectors_is_tested_or_out_of_scope_for_a_reason() -> None:
    tested = {standard for names in TESTED_IN.values() for standard in names}
    assert tested | set(OUT_OF_SCOPE) == standards()
    assert not tested & set(OUT_OF_SCOPE)
    for file, names in TESTED_IN.items():
        text = (TESTS / file).read_text(encoding="utf-8")
        assert all(f'"{name}"' in text for name in names), f"{file} must use vectors of {names}"


@pytest.mark.parametrize(("given_case", "expected"), vectors("seed"))
def test_a_value_of_the_seed_is_right_and_shown_exactly(given_case: Any, expected: Any) -> None:
    value = given_case["value"]
    rail = next(rail for rail, values in SEED.items() if value in values.values())
    method = built(rail)
    assert expected["valid"]
    assert method.rows[0].copied == value
    assert code_of(method).text.lower().removeprefix("bitcoin:") == value.lower()
    assert expected.get("bank", "") in dict(method.facts).get("bank", "")
    assert expected.get("formatted", method.rows[0].shown) == method.rows[0].shown


@pytest.mark.parametrize("rail", SEED)
def test_a_method_says_who_it_is_and_has_unique_facts(rail: str) -> None:
    method = built(rail)
    assert (method.key, method.rail) == (rail, rail)
    assert method.title.text
    assert code_of(method).caption.text
    assert len(dict(method.facts)) == len(method.facts)
    assert all(name and value for name, value in method.facts)
    assert bool(method.books) == (rail in {"card", "bank"}) == (not method.watches)


@pytest.mark.parametrize("rail", SEED)
def test_every_phrase_can_be_filled(rail: str) -> None:
    method = built(rail)
    phrases = [method.title, code_of(method).caption, *method.notes, *(row.label for row in method.rows)]
    phrases += [phrase for phrase in (method.subtitle, method.link and method.link.label) if phrase]
    assert all("%(" not in phrase.text % dict(phrase.values) for phrase in phrases)


@pytest.mark.parametrize("rail", SEED)
def test_an_empty_table_is_told_and_never_crashes(rail: str) -> None:
    method, mistakes = build(rail, dict.fromkeys(SEED[rail]))
    assert method is None
    assert mistakes


@pytest.mark.parametrize(
    "read", [card_number, read_iban, read_evm, read_tron, *(partial(read_bitcoin, chain=chain) for chain in CHAINS)]
)
@given(text=st.text(max_size=60) | st.text("1bcT0xUA ", max_size=60))
@settings(deadline=None)
def test_any_text_is_read_or_refused_by_name(read: Callable[[str], object], text: str) -> None:
    with suppress(BadOption):
        read(text)


def test_showing_methods_never_loads_web3() -> None:
    code = (
        "import sys; from support_service.rails import RAILS; assert all(rail.build_method for rail in RAILS.values());"
        "sys.exit(','.join({'web3', 'eth_account', 'aiohttp'} & set(sys.modules)) or 0)"
    )
    assert run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
