"""The NBU's QR code for credit transfers: format 003 written strictly, 001 to 003 read tolerantly. Pure.

NBU Board decision No. 97 of 19.08.2025, in force since 01.11.2025: Annex 1 (rules for all),
Annexes 2, 3 and 4 (formats 001, 002 and 003). "Field 8" below is the number in those tables.
"""

import re
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

START = "https://qr.bank.gov.ua/"
ENCODED_BYTES_MAX = 475
STRUCTURE_BYTES_MAX = 507
KOPECKS_MAX = 99_999_999_999
# Longer than any code a symbol of version 40 could hold.
READ_CHARACTERS_MAX = 3000

_ENCODINGS = {"1": "utf-8", "2": "cp1251"}
# Annex 1: bytes 32 to 255 of Windows-1251 except these; the same characters in UTF-8.
_FORBIDDEN_BYTES = frozenset({127, 152, 160})
# What people type, and the allowed character that looks and reads the same.
_LOOK_ALIKES = str.maketrans({"\u02bc": "\u2019", "\u00a0": " ", "\u202f": " "})

_EDITABLE_FIELDS = frozenset({6, 7, 8, 9, 10, 12, 13})

_AMOUNT = re.compile(r"UAH(?!0(?:\.00)?$)(?:0|[1-9][0-9]{0,8})(?:\.(?!00)[0-9]{2})?", re.ASCII)
_READ_AMOUNT = re.compile(r"(?:UAH)?\s*([0-9]{1,12})(?:[.,]([0-9]{1,2}))?", re.ASCII)
_ACCOUNT = re.compile(r"UA[0-9]{8}[0-9A-Z]{19}", re.ASCII)
# EDRPOU (8), RNOKPP (10), ID card (9), or an old passport's two letters and six digits.
_CODE = re.compile(r"[0-9]{8,10}|[А-ЯҐЄІЇ]{2}[0-9]{6}")
_CATEGORY = re.compile(r"[A-Z0-9]{4}/[A-Z0-9]{4}", re.ASCII)
_REFERENCE = re.compile(r"[ -~]{0,35}", re.ASCII)

_NAMES_002 = (
    "service_tag", "format_version", "encoding", "function", "bic_rfu", "receiver_name", "receiver_account",
    "amount", "receiver_code", "purpose_code_rfu", "reference_rfu", "payment_purpose", "display_rfu",
)  # fmt: skip
_NAMES_003 = (
    "service_tag", "format_version", "encoding", "function", "unique_receiver_id_rfu", "receiver_name",
    "receiver_account", "amount", "receiver_code", "category_purpose", "reference", "payment_purpose", "display",
    "field_lock", "valid_until", "created_at", "signature_rfu",
)  # fmt: skip
_NAMES: Mapping[str, tuple[str, ...]] = {"001": _NAMES_002, "002": _NAMES_002, "003": _NAMES_003}

Fields: TypeAlias = Mapping[str, str]


class NbuError(ValueError):
    """The transfer cannot be written, or the text is not an NBU code; the message says why.

    field names the part of the Transfer that is wrong; "" where a code was read.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Transfer:
    """One credit transfer as format 003 says it; the defaults make a gift whose amount the payer enters.

    account is a compact Ukrainian IBAN whose checksum the caller has checked (the standard's own
    examples fail it). amount is in kopecks. editable are the field numbers a payer may change;
    None leaves the lock mask out. Dates are YYMMDDHHMMSS.
    """

    receiver: str
    account: str
    receiver_code: str
    purpose: str
    amount_kopecks: int | None = None
    # Field 10 must not be empty: one large bank's app refuses the code then.
    category: str = "OTHR/OTHR"
    function: str = "UCT"
    reference: str = ""
    display: str = ""
    editable: frozenset[int] | None = frozenset({8})
    valid_until: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A code as it was read: fields by name and as written, with the few that need tidying."""

    fields: Fields

    @property
    def account(self) -> str:
        """The IBAN without spaces; an official example carries one at its end."""
        return "".join(self.fields["receiver_account"].split())

    @property
    def amount_kopecks(self) -> int | None:
        """The amount; None where the payer enters it. Codes in the wild also say UAH0 or UAH10.5."""
        match = _READ_AMOUNT.fullmatch(self.fields["amount"].strip())
        return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else None


def encode(transfer: Transfer, *, encoding: str | None = None) -> str:
    """Write a transfer as the URL of format 003; NbuError says which rule it breaks.

    encoding is "1" (UTF-8) or "2" (Windows-1251); by default the one that gives the smaller
    structure, as Annex 1 demands.
    """
    fields = _fields(transfer)
    written = [pack([*fields[:2], number, *fields[3:]]) for number in ([encoding] if encoding else _ENCODINGS)]
    url = min(written, key=len)
    size = len(url) - len(START)
    bytes_max = min(ENCODED_BYTES_MAX, STRUCTURE_BYTES_MAX - len(START))
    if size > bytes_max:
        # Three bytes of text become four characters of Base64.
        excess = -(-(size - bytes_max) * 3 // 4)
        raise NbuError(
            f"is too long: the code holds {bytes_max} bytes and this is {size}; shorten it by {excess} letters",
            "purpose",
        )
    return url


def pack(fields: list[str], *, start: str = START) -> str:
    """Join fields by LF and wrap them as URL; only the bytes are checked, not what they say.

    Below all validation, so that the standard's own examples, which break its rules, can be written.
    """
    inner = "\n".join(fields).encode(_ENCODINGS[fields[2]])
    return start + urlsafe_b64encode(inner).decode("ascii").rstrip("=")


def decode(text: str) -> Code:
    """Read a code of any format, as a bank app would: CR LF, padding, spare line ends and dates may vary."""
    if len(text) > READ_CHARACTERS_MAX:
        raise NbuError(f"is longer than {READ_CHARACTERS_MAX} characters")
    inner = _inner(text)
    lines = inner.replace(b"\r\n", b"\n").split(b"\n")
    if len(lines) < 4 or lines[0] != b"BCD":
        raise NbuError("holds no structure that begins with BCD")
    names = _NAMES.get(lines[1].decode("ascii", "replace"))
    encoding = _ENCODINGS.get(lines[2].decode("ascii", "replace"))
    if names is None or encoding is None:
        raise NbuError("has an unknown format version or encoding")
    try:
        values = [line.decode(encoding) for line in lines]
    except UnicodeDecodeError as error:
        raise NbuError("holds bytes that its own encoding does not know") from error
    if any(values[len(names) :]):
        raise NbuError(f"has more than {len(names)} fields")
    values += [""] * (len(names) - len(values))
    return Code(dict(zip(names, values, strict=False)))


def normalised(text: str) -> str:
    """Replace what people type by the allowed look-alike (ʼ by ’, no-break space by space), compose, trim."""
    return unicodedata.normalize("NFC", text).translate(_LOOK_ALIKES).strip()


def forbidden_characters(text: str) -> str:
    """List the characters of a text that Annex 1 does not allow, each once, in order."""
    return "".join(dict.fromkeys(character for character in text if not _is_allowed(character)))


def amount_text(kopecks: int) -> str:
    """Write field 8: "UAH3", "UAH3.05"; as short as possible, two decimals or none."""
    if not 0 < kopecks <= KOPECKS_MAX:
        raise NbuError("must be from 0.01 to 999999999.99 UAH", "amount")
    whole, rest = divmod(kopecks, 100)
    return f"UAH{whole}.{rest:02}" if rest else f"UAH{whole}"


def amount_is_valid(text: str) -> bool:
    """Tell whether a text may stand in field 8 of a code we write; empty is for the payer to fill."""
    return not text or _AMOUNT.fullmatch(text) is not None


def lock_mask(editable: Iterable[int]) -> str:
    """Write field 14: FFFF with bit N cleared for each field N the payer may change (bit 0 unused)."""
    fields = set(editable)
    locked_for_good = fields - _EDITABLE_FIELDS
    if locked_for_good:
        raise NbuError(f"fields {sorted(locked_for_good)} must stay locked", "editable")
    return f"{0xFFFF - sum(1 << field for field in fields):04X}"


def _fields(transfer: Transfer) -> list[str]:
    receiver = _text("receiver", transfer.receiver, 140)
    code = _text("receiver_code", transfer.receiver_code, 10)
    purpose = _text("purpose", transfer.purpose, 420)
    display = _text("display", transfer.display, 140, is_needed=False)
    amount = "" if transfer.amount_kopecks is None else amount_text(transfer.amount_kopecks)
    assert amount_is_valid(amount)
    _demand("account", _ACCOUNT.fullmatch(transfer.account), "must be a Ukrainian IBAN of 29 characters")
    _demand("receiver_code", _CODE.fullmatch(code), "must be an EDRPOU (8 digits), RNOKPP (10 digits) or a passport")
    _demand("category", _CATEGORY.fullmatch(transfer.category), "must be two ISO 20022 codes such as OTHR/OTHR")
    _demand("function", transfer.function in {"UCT", "ICT", "XCT"}, "must be UCT, ICT or XCT")
    _demand("reference", _REFERENCE.fullmatch(transfer.reference), "must be at most 35 Latin letters, digits and signs")
    return [
        "BCD", "003", "", transfer.function, "", receiver, transfer.account, amount, code, transfer.category,
        transfer.reference, purpose, display, "" if transfer.editable is None else lock_mask(transfer.editable),
        _moment("valid_until", transfer.valid_until), _moment("created_at", transfer.created_at), "",
    ]  # fmt: skip


def _text(field: str, text: str, characters_max: int, *, is_needed: bool = True) -> str:
    tidy = normalised(text)
    forbidden = forbidden_characters(tidy)
    # A line feed inside a value would shift every field behind it.
    _demand(field, not forbidden, f"holds {forbidden[:10]!r}, which an NBU code cannot carry; leave it out")
    _demand(field, tidy or not is_needed, "is empty")
    _demand(field, len(tidy) <= characters_max, f"has {len(tidy)} characters; {characters_max} are allowed")
    return tidy


def _is_allowed(character: str) -> bool:
    try:
        (code,) = character.encode("cp1251")
    except UnicodeEncodeError:
        return False
    return code >= 32 and code not in _FORBIDDEN_BYTES


def _moment(field: str, text: str) -> str:
    try:
        is_moment = not text or (len(text) == 12 and bool(datetime.strptime(text + "+0000", "%y%m%d%H%M%S%z")))
    except ValueError:
        is_moment = False
    _demand(field, is_moment, "must be a moment written YYMMDDHHMMSS")
    return text


def _demand(field: str, is_met: object, reason: str) -> None:
    if not is_met:
        raise NbuError(reason, field)


def _inner(text: str) -> bytes:
    """Find the structure: plain text in format 001, Base64URL behind the last slash in the others."""
    plain = text.lstrip()
    if plain.startswith("BCD"):
        return plain.encode()
    body = plain.strip().rpartition("/")[2].rstrip("=")
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError) as error:
        raise NbuError("is neither an NBU link nor an NBU text") from error
