"""A bank account's number: IBAN with checksum, bank name and BIC. Pure.

schwifty (with its register of banks) is loaded with this module, so only where a bank rail is used.
"""

from dataclasses import dataclass

from schwifty import BIC, IBAN
from schwifty.exceptions import (
    InvalidChecksumDigits,
    InvalidCountryCode,
    InvalidLength,
    InvalidStructure,
    SchwiftyException,
)

from support_service.rails.options import BadOption


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An IBAN with a right checksum: `iban` is compact and upper case; bank is "" where unknown."""

    iban: str
    bank: str

    @property
    def country(self) -> str:
        """The ISO 3166 code the IBAN begins with."""
        return self.iban[:2]

    @property
    def grouped(self) -> str:
        """The printed form of ISO 13616: "UA04 3052 9900 ..."."""
        return " ".join(self.iban[start : start + 4] for start in range(0, len(self.iban), 4))


def read_iban(text: str) -> BankAccount:
    """Read an IBAN (ISO 13616: mod 97 = 1, length and structure by country); BadOption says what is wrong.

    Spaces and case do not matter. Whether the account exists is not checked.
    """
    if any(character.isalnum() and not character.isascii() for character in text):
        raise BadOption("holds letters of another alphabet that look like Latin ones (УА for UA); type it again")
    try:
        iban = IBAN(text)
    except InvalidChecksumDigits as error:
        raise BadOption(
            "has wrong check digits: a digit may be mistyped or swapped; compare it with the bank"
        ) from error
    except InvalidLength as error:
        raise BadOption(_length_reason(text)) from error
    except InvalidCountryCode as error:
        raise BadOption(f"begins with {text[:2]!r}, which is not a country with IBANs") from error
    except InvalidStructure as error:
        raise BadOption("is not an IBAN: two letters, two check digits, then the account") from error
    except SchwiftyException as error:
        raise BadOption("is not an IBAN of this country") from error
    return BankAccount(iban.compact, iban.bank_short_name or iban.bank_name or "")


def read_bic(text: str) -> str:
    """Read a BIC (ISO 9362), 8 or 11 characters; BadOption for anything else."""
    try:
        return BIC(text).compact
    except SchwiftyException as error:
        raise BadOption("is not a BIC: 8 or 11 letters and digits, such as PBANUA2X") from error


def _length_reason(text: str) -> str:
    length = sum(not character.isspace() for character in text)
    needed = (
        " a Ukrainian IBAN has 29" if text.strip().upper().startswith("UA") else " this country's has another length"
    )
    return f"has {length} characters;{needed}"
