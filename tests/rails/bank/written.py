"""Payments of a stand-in's account, written as the files that a bank offers for some days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from xml.sax.saxutils import escape

from support_service.demo.bank.account import BOOKED, DemoBankAccount, Payment

CSV_HEAD = (
    "ЄДРПОУ;МФО;Рахунок;Валюта;Номер документу;Дата операції;МФО банку;Назва банку;Рахунок кореспондента;"
    "ЄДРПОУ кореспондента;Кореспондент;Сума;Призначення платежу;\n"
)


@dataclass(frozen=True)
class WrittenStatement:
    """What was booked on some days, with the balances before and after as they stood when it was written."""

    account: str
    first: date
    last: date
    opening_units: int
    payments: tuple[Payment, ...]
    reversals: frozenset[int]

    @property
    def closing_units(self) -> int:
        return self.opening_units + sum(one.units for one in self.payments)


def written(account: DemoBankAccount, first: date, last: date, reversals: frozenset[int]) -> WrittenStatement:
    """Write down two days and all between; reversals are the numbers of payments that the bank calls so."""
    found = [one for one in account.payments if one.standing == BOOKED and first <= one.booking_day <= last]
    opening = account.balance_units(before=first)
    made = WrittenStatement(account.name, first, last, opening, tuple(found), reversals)
    assert made.closing_units == account.balance_units(before=last + timedelta(1))
    return made


def privatbank_csv(account: str, payments: Sequence[Payment]) -> bytes:
    """The business CSV: no reference, Latin i for Ukrainian, no balances, nothing that is on its way."""
    rows = [
        f"99999991;305299;{account};UAH;@2PL{one.number:06};{one.booking_day:%d.%m.%Y};305299;ПРИВАТБАНК;"
        f"{one.account};{one.code};{one.name};{one.units / 100:.2f};{one.purpose.replace('і', 'i')};\n"
        for one in payments
    ]
    return (CSV_HEAD + "".join(rows)).encode("cp1251")


def camt(told: WrittenStatement) -> bytes:
    """A camt.053 of version 08."""
    balances = _camt_balance("OPBD", told.opening_units, told.first)
    balances += _camt_balance("CLBD", told.closing_units, told.last)
    entries = "".join(_camt_entry(one, is_reversal=one.number in told.reversals) for one in told.payments)
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S</Id>'
        f"<Acct><Id><IBAN>{told.account}</IBAN></Id><Ccy>UAH</Ccy></Acct>{balances}{entries}"
        "</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def mt940(told: WrittenStatement) -> bytes:
    """An MT940 of one page."""
    entries = "".join(_mt940_entry(one, is_reversal=one.number in told.reversals) for one in told.payments)
    opening = f":60F:{_mt940_balance(told.opening_units, told.first)}"
    closing = f":62F:{_mt940_balance(told.closing_units, told.last)}"
    return f":20:S\n:25:{told.account}\n:28C:1/1\n{opening}\n{entries}{closing}\n-\n".encode()


def _camt_balance(kind: str, units: int, day: date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{_camt_sum(units)}"
        f"<Dt><Dt>{day.isoformat()}</Dt></Dt></Bal>"
    )


def _camt_entry(one: Payment, *, is_reversal: bool) -> str:
    day, role = one.booking_day.isoformat(), "Dbtr" if (one.units > 0) is not is_reversal else "Cdtr"
    return (
        f"<Ntry>{_camt_sum(one.units)}<RvslInd>{str(is_reversal).lower()}</RvslInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>RB{one.number}</AcctSvcrRef><NtryDtls><TxDtls>"
        f"<RltdPties><{role}><Pty><Nm>{escape(one.name)}</Nm></Pty></{role}>"
        f"<{role}Acct><Id><IBAN>{one.account}</IBAN></Id></{role}Acct></RltdPties>"
        f"<RmtInf><Ustrd>{escape(one.purpose)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def _camt_sum(units: int) -> str:
    side = "CRDT" if units >= 0 else "DBIT"
    return f'<Amt Ccy="UAH">{abs(units) / 100:.2f}</Amt><CdtDbtInd>{side}</CdtDbtInd>'


def _mt940_entry(one: Payment, *, is_reversal: bool) -> str:
    mark = {(True, False): "C", (False, False): "D", (False, True): "RC", (True, True): "RD"}[
        one.units > 0, is_reversal
    ]
    day, amount = one.booking_day, f"{abs(one.units) / 100:.2f}".replace(".", ",")
    return (
        f":61:{day:%y%m%d%m%d}{mark}{amount}NTRFNONREF//RB{one.number}\n"
        f":86:166?00X?20SVWZ+{one.purpose}?31{one.account}?32{one.name}\n"
    )


def _mt940_balance(units: int, day: date) -> str:
    amount = f"{abs(units) / 100:.2f}".replace(".", ",")
    return f"{'C' if units >= 0 else 'D'}{day:%y%m%d}UAH{amount}"
