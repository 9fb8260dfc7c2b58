"""The SEPA credit transfer QR code ("GiroCode") of EPC069-12, version 3.1. Pure.

EUR and SEPA accounts only. Level M, at most version 13 and 331 bytes; nothing after the last
element that holds anything.
"""

from dataclasses import dataclass

from stdnum import iso11649

from support_service.money import Asset, Money, plain
from support_service.rails.bank.account import read_iban
from support_service.rails.options import BadOption

STRUCTURE_BYTES_MAX = 331
CENTS_MAX = 99_999_999_999

_EUR = Asset("EUR", 2)

# Countries of the European Economic Area, by the IBAN's own code. Libraries' flags lag behind.
EEA = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
))  # fmt: skip
# In SEPA beyond the EEA (EPC409-09); AL and ME since November 2024, MD and MK since March 2025.
SEPA = EEA | {"AD", "AL", "CH", "GB", "GI", "MC", "MD", "ME", "MK", "SM", "VA"}

_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " "})
_CHARSETS = {1: "utf-8", 2: "iso8859-1"}


class EpcError(ValueError):
    """The transfer cannot be an EPC code; the message says why, field names the part that is wrong."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Transfer:
    """One SEPA credit transfer; without amount_cents the payer enters it.

    purpose is the unstructured text; it and reference (ISO 11649) exclude each other. category is the
    purpose code of 4 letters. charset 1 says UTF-8, 2 ISO 8859-1.
    """

    receiver: str
    iban: str
    purpose: str = ""
    reference: str = ""
    category: str = ""
    amount_cents: int | None = None
    bic: str = ""
    info: str = ""
    version: str = "002"
    charset: int = 1


def encode(transfer: Transfer) -> str:
    """Write the structure; EpcError says which rule it breaks."""
    iban = _account(transfer)
    if transfer.purpose and transfer.reference:
        raise EpcError("must not stand beside a text; only one of them is allowed", "reference")
    if transfer.reference.startswith("RF") and not iso11649.is_valid(transfer.reference):
        raise EpcError("has wrong check digits (ISO 11649)", "reference")
    amount = "" if transfer.amount_cents is None else amount_text(transfer.amount_cents)
    elements = [
        "BCD", transfer.version, str(transfer.charset), "SCT", transfer.bic,
        _text("receiver", transfer.receiver, 70), iban, amount, _text("category", transfer.category, 4),
        _text("reference", transfer.reference, 35), _text("purpose", transfer.purpose, 140),
        _text("info", transfer.info, 70),
    ]  # fmt: skip
    structure = "\n".join(elements).rstrip("\n")
    try:
        size = len(structure.encode(_CHARSETS[transfer.charset]))
    except UnicodeEncodeError as error:
        raise EpcError("holds a character that its character set lacks", "purpose") from error
    if size > STRUCTURE_BYTES_MAX:
        raise EpcError(
            f"is too long: the code holds {STRUCTURE_BYTES_MAX} bytes and this is {size}; shorten it", "purpose"
        )
    return structure


def amount_text(cents: int) -> str:
    """Write the amount: "EUR12.3", "EUR1"; from 0.01 to 999999999.99."""
    if not 0 < cents <= CENTS_MAX:
        raise EpcError("must be from 0.01 to 999999999.99 EUR", "amount")
    return f"EUR{plain(Money(cents, _EUR))}"


def _account(transfer: Transfer) -> str:
    try:
        account = read_iban(transfer.iban)
    except BadOption as error:
        raise EpcError(str(error), "iban") from error
    if account.country not in SEPA:
        raise EpcError(
            f"is of {account.country}, outside the SEPA area; an EPC code needs a SEPA account in EUR", "iban"
        )
    if not transfer.receiver.strip():
        raise EpcError("is missing", "receiver")
    is_bic_needed = transfer.version == "001" or account.country not in EEA
    if is_bic_needed and not transfer.bic:
        raise EpcError("is missing: an account outside the European Economic Area needs it", "bic")
    return account.iban


def _text(field: str, text: str, characters_max: int) -> str:
    tidy = text.translate(_SPACES).strip()
    # A line end inside an element would shift every element behind it.
    if not tidy.isprintable():
        raise EpcError("holds a line end or another control character", field)
    if len(tidy) > characters_max:
        raise EpcError(f"has {len(tidy)} characters; {characters_max} are allowed", field)
    return tidy
