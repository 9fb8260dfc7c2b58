"""A published bank-card number: shown and copied, never charged; staff book what arrives on it.

The number is the publisher's own and public. Readers' cards never come near this service. Pure.
"""

import re

from stdnum import luhn

from support_service.giving import PaymentMethod, Phrase, QrText, Row
from support_service.rails import shared_options
from support_service.rails.options import BadOption, Options, Surroundings

# ISO/IEC 7812: 10 to 19 digits in all; numbers shorter than 12 are not bank cards.
_DIGITS = re.compile(r"[0-9]{12,19}", re.ASCII)


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read number, bank and currency (UAH unless set)."""
    before = len(options.mistakes)
    number = shared_options.checked(options, "number", card_number)
    bank = options.text("bank").strip()
    asset = shared_options.currency(options, around, default="UAH")
    if number is None or asset is None or len(options.mistakes) > before:
        return None
    where = Phrase("%(bank)s, %(currency)s", (("bank", bank), ("currency", asset.code)))
    facts = (("number", number), ("currency", asset.code), ("bank", bank))
    return PaymentMethod(
        key=key,
        rail="card",
        title=Phrase("Transfer to our card"),
        subtitle=where if bank else Phrase("%(currency)s", (("currency", asset.code),)),
        rows=(Row(Phrase("Card number"), grouped(number), number),),
        # Numeric mode: no standard says what a bank app does with a card number, so it is plain text.
        qr=QrText(number, Phrase("A scan copies the card number; it does not open a bank app.")),
        facts=tuple(fact for fact in facts if fact[1]),
        notes=(Phrase("Make a transfer to this card in your bank's app."),),
        books=(asset,),
    )


def card_number(text: str) -> str:
    """Return the digits of a card number, spaces removed; BadOption for anything else.

    ISO/IEC 7812: the Luhn digit finds every single wrong digit and most neighbours swapped.
    """
    number = re.sub(r"\s", "", text)
    if not _DIGITS.fullmatch(number):
        raise BadOption("must be 12 to 19 digits, with or without spaces")
    if not luhn.is_valid(number):
        raise BadOption("has a wrong check digit (Luhn): a digit may be mistyped or swapped; compare it with the card")
    return number


def grouped(number: str) -> str:
    """Write a card number in fours, as it stands on the card: "5169 3351 ..."."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))
