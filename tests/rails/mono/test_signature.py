"""The signatures of mono's messages, held against those that another library makes and that nobody should believe."""

import base64
from random import Random

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import DSS

from support_service.rails.mono.signature import BadMonoKey, is_signed, read_key, read_signature
from support_service.rails.processor import NotGenuine

BODY = '{"invoiceId": "p2_1", "status": "success", "destination": "Благодійний внесок"}'.encode()
KEY = ECC.generate(curve="P-256")


def told(pem: str | bytes) -> str:
    return base64.b64encode(pem.encode() if isinstance(pem, str) else pem).decode()


def signature(body: bytes = BODY, key: ECC.EccKey = KEY) -> bytes:
    made: bytes = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    return made


def test_what_another_library_signs_is_believed_for_its_own_body_and_key_alone() -> None:
    key = read_key(told(KEY.public_key().export_key(format="PEM")))
    made = signature()
    assert read_signature(base64.b64encode(made).decode()) == made
    assert is_signed(BODY, made, key)
    assert not is_signed(BODY + b" ", made, key)
    assert not is_signed(BODY, signature(key=ECC.generate(curve="P-256")), key)


def test_no_broken_signature_is_believed_or_breaks_the_reader() -> None:
    key, made, random = read_key(told(KEY.public_key().export_key(format="PEM"))), signature(), Random(5)
    broken = [
        made[:-1],
        made + b"\0",
        b"\x30\x06\x02\x01\0\x02\x01\0",
        b"\x30\x06\x02\x01\x01\x02\x01\x01",
        b"\x30" * 72,
    ]
    for _ in range(300):
        place = random.randrange(len(made))
        broken.append(bytes([*made[:place], made[place] ^ random.randint(1, 255), *made[place + 1 :]]))
    assert not any(is_signed(BODY, one, key) for one in broken)


@pytest.mark.parametrize(
    "text",
    [
        None, 7, "", "ї", "AAAA", "A" * 5_000, told("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"),
        told(KEY.export_key(format="PEM")), told(ECC.generate(curve="P-384").public_key().export_key(format="PEM")),
        told(ECC.generate(curve="ed25519").public_key().export_key(format="PEM")),
        told(RSA.generate(1024).public_key().export_key()),
        told(KEY.public_key().export_key(format="DER")),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_key_that_is_none_of_the_curve_is_refused(text: object) -> None:
    with pytest.raises(BadMonoKey):
        read_key(text)


@pytest.mark.parametrize("header", ["", "ї", "AAAA", "not base64", base64.b64encode(b"\x30" * 73).decode()])
def test_a_header_that_can_be_no_signature_is_refused_before_a_key_is_asked_for(header: str) -> None:
    with pytest.raises(NotGenuine):
        read_signature(header)
