"""A bank account readers transfer to: rows to copy, and the richest QR code the details allow.

Hryvnia account with receiver, receiver_code and purpose: an NBU code that opens a bank app. SEPA
account in EUR with receiver: an EPC code. Anything else: the plain IBAN, and the caption says so. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stdnum.ua import edrpou, rntrc

from support_service.giving import Filled, Filling, Link, PaymentMethod, Phrase, QrText, Row
from support_service.money import Asset
from support_service.rails import shared_options
from support_service.rails.bank import epc, nbu
from support_service.rails.bank.account import BankAccount, read_bic, read_iban
from support_service.rails.bank.gift import write_gift
from support_service.rails.options import BadOption, Options, Surroundings

NBU_PARTS = ("receiver", "receiver_code", "purpose")
# A symbol with the hryvnia sign may have version 17 at most, which holds this much at level Q.
NBU_LEVEL_Q_BYTES_MAX = 364
# From this version on no alignment pattern lies under the sign's circle; some scanners need it.
NBU_VERSION_MIN = 14
NBU, EPC = "nbu-003", "epc-002"
# 999,999.99 in either currency: more by a scan is a mistake in typing.
FILLED_UNITS_MAX = 99_999_999
# Sums to begin with, in kopecks and cents.
PRESETS = {"UAH": (100_00, 200_00, 500_00, 1000_00), "EUR": (5_00, 10_00, 25_00, 50_00)}
# A code with a sum is made while a reader waits: this mask, and not a search for the best.
FILLED_MASK = 3


@dataclass(frozen=True, slots=True)
class _Details:
    """What is said about the account beside its number; "" where nothing is."""

    receiver: str
    receiver_code: str
    purpose: str
    bank: str
    bic: str
    category: str


def build_method(key: str, options: Options, around: Surroundings) -> PaymentMethod | None:
    """Read the account and its details; a mistake where they are enough for no code, or for none named."""
    before = len(options.mistakes)
    account = shared_options.checked(options, "iban", read_iban)
    asset = shared_options.currency(options, around, default=_default_currency(account))
    details = _take_details(options, account)
    if account is None or asset is None or len(options.mistakes) > before:
        return None
    code = _qr(options, account, asset, details)
    if code is None:
        return None
    qr, kind = code
    title = Phrase("Bank account (IBAN)")
    if asset.code != "UAH":
        title = Phrase("Bank account (IBAN, %(currency)s)", (("currency", asset.code),))
    filling = _filling(account, asset, details, kind)
    return PaymentMethod(
        key=key,
        rail="bank",
        write_gift=write_gift,
        title=title,
        rows=_rows(account, details),
        qr=qr,
        facts=_facts(account, asset, details, kind),
        link=_link(qr) if kind == NBU else None,
        books=(asset,),
        warnings=tuple(_warnings(details, kind)),
        filling=filling,
    )


def _default_currency(account: BankAccount | None) -> str:
    if account is None or account.country == "UA":
        return "UAH"
    return "EUR" if account.country in epc.SEPA else ""


def _take_details(options: Options, account: BankAccount | None) -> _Details:
    texts = {name: nbu.normalised(options.text(name)) for name in (*NBU_PARTS, "bank", "bic", "category")}
    try:
        texts["bic"] = read_bic(texts["bic"]) if texts["bic"] else ""
    except BadOption as error:
        options.reject("bic", str(error))
    texts["bank"] = texts["bank"] or (account.bank if account else "")
    return _Details(**texts)


def _qr(options: Options, account: BankAccount, asset: Asset, details: _Details) -> tuple[QrText, str] | None:
    """Choose the code and write it, with the name of its format; None with a mistake noted."""
    is_hryvnia = account.country == "UA" and asset.code == "UAH"
    is_sepa = account.country in epc.SEPA and asset.code == "EUR"
    if details.category and not is_hryvnia:
        options.reject("category", "belongs to the NBU code of a hryvnia account; leave it out")
        return None
    try:
        if is_hryvnia and _wants_nbu(options, details):
            return _nbu_qr(account, details), NBU
        if is_sepa and (details.receiver or details.purpose):
            return _epc_qr(account, details), EPC
    except (nbu.NbuError, epc.EpcError) as error:
        options.reject(error.field, str(error))
    if any(options.has_mistake(name) for name in (*NBU_PARTS, "category", "bic")):
        return None
    return QrText(account.iban, Phrase("A scan copies the IBAN; it does not open a bank app.")), "iban"


def _wants_nbu(options: Options, details: _Details) -> bool:
    """Tell whether an NBU code is asked for; parts of it that are missing are mistakes."""
    missing = [name for name in NBU_PARTS if not getattr(details, name)]
    if len(missing) == len(NBU_PARTS) and not details.category:
        return False
    for name in missing:
        options.reject(name, f"is missing: an NBU code needs {', '.join(NBU_PARTS)}; add it or leave all of them out")
    if details.purpose.startswith("?"):
        options.reject("purpose", "must not begin with ?, which the NBU code keeps for machine-readable pairs")
    return not missing and not options.has_mistake("purpose")


def _nbu_qr(account: BankAccount, details: _Details, kopecks: int | None = None) -> QrText:
    transfer = nbu.Transfer(
        receiver=details.receiver,
        account=account.iban,
        receiver_code=details.receiver_code,
        purpose=details.purpose,
        amount_kopecks=kopecks,
        category=details.category or "OTHR/OTHR",
    )
    url = nbu.encode(transfer)
    assert nbu.decode(url).account == account.iban
    assert nbu.decode(url).amount_kopecks == kopecks
    return QrText(
        url,
        Phrase("Scan with your bank's app or camera: the details are filled in, you enter the amount.")
        if kopecks is None
        else Phrase("Scan with your bank's app or camera: details and sum are filled in."),
        level="Q" if len(url) <= NBU_LEVEL_Q_BYTES_MAX else "M",
        version_min=NBU_VERSION_MIN,
        has_hryvnia_sign=True,
        mask=None if kopecks is None else FILLED_MASK,
    )


def _epc_qr(account: BankAccount, details: _Details, cents: int | None = None) -> QrText:
    transfer = epc.Transfer(
        details.receiver, account.iban, purpose=details.purpose, bic=details.bic, amount_cents=cents
    )
    return QrText(
        epc.encode(transfer),
        Phrase("Scan with your bank's app: the details are filled in, you enter the amount.")
        if cents is None
        else Phrase("Scan with your bank's app: details and sum are filled in."),
        mask=None if cents is None else FILLED_MASK,
    )


def _link(qr: QrText) -> Link:
    return Link(qr.text, Phrase("Open in your bank's app"))


def _filling(account: BankAccount, asset: Asset, details: _Details, kind: str) -> Filling | None:
    """Say how a sum comes into the code; None where it has no room for one, even the largest."""

    def write(units: int) -> Filled:
        qr = (_nbu_qr if kind == NBU else _epc_qr)(account, details, units)
        return Filled(qr, _link(qr) if kind == NBU else None)

    if kind not in {NBU, EPC}:
        return None
    try:
        write(FILLED_UNITS_MAX)
    except (nbu.NbuError, epc.EpcError):
        return None
    return Filling(asset, FILLED_UNITS_MAX, PRESETS.get(asset.code, ()), write)


def _rows(account: BankAccount, details: _Details) -> tuple[Row, ...]:
    rows = (
        Row(Phrase("IBAN"), account.grouped, account.iban),
        Row(Phrase("Receiver"), details.receiver, details.receiver),
        Row(Phrase("Receiver code"), details.receiver_code, details.receiver_code),
        Row(Phrase("Payment purpose"), details.purpose, details.purpose),
        Row(Phrase("Bank"), details.bank, details.bank, is_typed=False),
        Row(Phrase("BIC"), details.bic, details.bic),
    )
    return tuple(row for row in rows if row.copied)


def _facts(account: BankAccount, asset: Asset, details: _Details, kind: str) -> tuple[tuple[str, str], ...]:
    facts = (
        ("iban", account.iban),
        ("currency", asset.code),
        ("receiver", details.receiver),
        ("receiver_code", details.receiver_code),
        ("purpose", details.purpose),
        ("bank", details.bank),
        ("bic", details.bic),
        ("qr_format", kind),
    )
    return tuple(fact for fact in facts if fact[1])


def _warnings(details: _Details, kind: str) -> Iterator[Phrase]:
    """Doubt what is allowed: a code that opens no app, one that few apps read, a receiver code with a wrong digit."""
    if kind == "iban":
        yield Phrase("No bank app opens from this code: set receiver, receiver_code and purpose (SEPA: receiver).")
    if kind == EPC and not f"{details.receiver}{details.purpose}".isascii():
        yield Phrase("Some bank apps read Latin letters alone from an EPC code: write receiver and purpose in Latin.")
    code = details.receiver_code
    is_doubtful = (len(code) == 8 and not edrpou.is_valid(code)) or (len(code) == 10 and not rntrc.is_valid(code))
    # Only a warning, as real codes are reported to break it.
    if code.isdigit() and is_doubtful:
        values = (("code", code),)
        yield Phrase("The check digit of receiver_code %(code)s does not fit: compare it with the register.", values)
