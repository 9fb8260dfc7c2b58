"""Amounts, days, accounts and column maps: what may be read in two ways is never guessed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_service.money import Asset, Money, plain
from support_service.rails.bank.statements import StatementFile, StatementRefused, WantedStatement, read_statements
from support_service.rails.bank.statements.csv_columns import read_profile
from support_service.rails.bank.statements.statement import BadField, StatementsRead
from support_service.rails.bank.statements.values import (
    kyiv_clock,
    read_day,
    read_serial,
    read_units,
    usual_asset,
    which_account,
)
from support_service.rails.options import BadOption

UAH, YEN = Asset("UAH", 2), Asset("JPY", 0)
OURS, OTHER = "UA043808050000026009999000303", "UA533052990000026009999000101"

READ = {
    "1 234,56": 123456, "1\u00a0234,56": 123456, "1\u202f234.5": 123450, "1'234.50": 123450, "1,250.50": 125050,
    "1.250,50": 125050, "-70 000.00": -7000000, "−15,00": -1500, "15.00-": -1500, "(15.00)": -1500, "+3.2": 320,
    "1,234,567": 123456700, "0.01": 1, "100": 10000, "750,00": 75000,
}  # fmt: skip
REFUSED = (
    "", " ", "1e3", "1.000", "1,000", "12 34,5", "1.2.3", "12.345,678", "--1", "-(1)", "-1-", "0x10", "١٢", "1,2,3",
    "NaN", "12a", ".5", "9" * 20, "1 00", "=1+1", "1.005",
)  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_an_amount_is_read_as_banks_write_it(text: str) -> None:
    assert read_units(text, UAH) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_an_amount_that_is_none_or_ambiguous_is_refused(text: str) -> None:
    with pytest.raises(BadField):
        read_units(text, UAH)


def test_the_decimal_sign_of_the_map_settles_what_is_ambiguous() -> None:
    assert read_units("1.000", UAH, decimal=",") == 100000
    assert read_units("1.000", UAH, decimal=".") == 100
    assert read_units("1,000", YEN, decimal=".") == 1000


@given(st.integers(-(10**12), 10**12))
def test_what_is_written_plainly_is_read_back(units: int) -> None:
    assert read_units(plain(Money(units, UAH)), UAH, decimal=".") == units


def test_days_are_those_of_the_calendar() -> None:
    assert read_day("02.09.2026 14:08:00") == (date(2026, 9, 2), "14:08:00")
    assert read_day("2026-09-02T09:30") == (date(2026, 9, 2), "09:30")
    assert read_day("09/02/2026", order="MDY")[0] == read_day("02/09/2026", order="DMY")[0] == date(2026, 9, 2)
    assert read_serial("46267") == date(2026, 9, 2)
    for text in ("31.02.2026", "02/09/2026", "02.09.26", "Разом", "", "2026-13-01", "02.09.1026", "02.09.2026 25:00"):
        with pytest.raises(BadField):
            read_day(text)


def test_a_payment_after_midnight_in_kyiv_keeps_kyivs_day() -> None:
    assert kyiv_clock(1_788_296_430) == (date(2026, 9, 2), "2026-09-02T00:00:30")
    assert kyiv_clock(1_792_886_400)[1] == kyiv_clock(1_792_890_000)[1] == "2026-10-25T03:00:00"


def test_the_account_is_the_files_own_or_certain_or_asked_for() -> None:
    assert which_account(f"{OURS} ", WantedStatement()) == OURS
    assert which_account(f"{OURS}UAH", WantedStatement()) == OURS
    assert which_account("26009999000303", WantedStatement(own_accounts=(OURS, OTHER))) == OURS
    assert which_account("", WantedStatement(account=OURS)) == OURS
    for named, wanted in (
        (OURS, WantedStatement(account=OTHER)),
        ("", WantedStatement()),
        ("999000", WantedStatement(own_accounts=(OURS,))),
    ):
        with pytest.raises(StatementRefused):
            which_account(named, wanted)


def test_a_currency_that_nobody_names_is_the_countrys() -> None:
    assert usual_asset(OURS, "") == UAH
    assert usual_asset("LT389999900000000808", "") == Asset("EUR", 2)
    assert usual_asset("GB00", "") is None
    assert usual_asset(OURS, "978") == Asset("EUR", 2)


def read_csv(text: str, **columns: object) -> StatementsRead:
    profile = read_profile("mine", columns) if columns else None
    return read_statements(StatementFile("a.csv", text.encode()), "csv", WantedStatement(account=OURS, profile=profile))


def test_debit_and_credit_columns_words_and_brackets_all_give_the_direction() -> None:
    two = read_csv("D;Out;In\n02.09.2026;10.00;\n02.09.2026;0.00;5.00\n", date="D", debit="Out", credit="In")
    words = read_csv("D;What;Sum\n02.09.2026;Дебет;10.00\n02.09.2026;Кт;5.00\n", date="D", sign="What", amount="Sum")
    assert [line.money.units for line in two.lines] == [line.money.units for line in words.lines] == [-1000, 500]


def test_a_row_that_says_both_or_neither_direction_is_named() -> None:
    read = read_csv(
        "D;Out;In\n02.09.2026;1.00;2.00\n02.09.2026;;\n02.09.2026;;3.00\n", date="D", debit="Out", credit="In"
    )
    assert [problem.row for problem in read.problems] == [2, 3]
    assert [line.money.units for line in read.lines] == [300]


def test_the_ready_map_of_sense_reads_its_nineteen_columns() -> None:
    head = (
        "Наш рахунок;Наш IBAN;Операція;Рахунок;IBAN;МФО банку контрагента;Найменування контрагента;Код контрагента;"
        "Призначення платежу;Дата проведення;Номер документа;Сума;Валюта;Час проведення;Дата документа;"
        "Дата архівування;Ід.код;Найменування;МФО"
    )
    row = (
        f"26009;{OURS};Кредит;26201;UA323999910000026209999001002;399991;Дзвінчук Остап;3111111110;"
        "внесок;02.09.2026;12;150.00;UAH;14:08;02.09.2026;02.09.2026;99999991;ГО;380805"
    )
    line = next(
        read_statements(StatementFile("s", f"{head}\n{row}\n".encode("cp1251")), "csv", WantedStatement()).lines
    )
    assert (line.account, line.money, line.clock) == (OURS, Money(15000, UAH), "2026-09-02T14:08")
    assert line.counterparty.account == "UA323999910000026209999001002"
    assert line.counterparty.code == "3111111110"


def test_iban2_with_an_operation_id_has_that_as_its_reference() -> None:
    head = (
        "ЄДРПОУ;Код ID НБУ;Рахунок;Валюта;Дата операцiї;Код операцiї;МФО банка;Надавач платіжних послуг;"
        "Рахунок кореспондента;ЄДРПОУ кореспондента;Кореспондент;Документ;Дата документа;Дебет;Кредит;"
        "Призначення платежу;Гривневе покриття;Ідентифікатор операції"
    )
    row = f"99;380805;{OURS};UAH;02.09.2026;1;399991;Банк;UA32;31;Остап;5;02.09.2026;;1.50;внесок;1.50;OP-77"
    line = next(
        read_statements(StatementFile("s", f"{head}\n{row}\n".encode("cp1251")), "csv", WantedStatement()).lines
    )
    assert (line.reference, line.document, line.money.units) == ("OP-77", "5", 150)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(encoding: str, delimiter: str) -> None:
    rows = (("Дата", "Сума", "Контрагент"), ("02.09.2026", "150.00", "Ґедзь Їжак, О. і Я."))
    text = "".join(delimiter.join(f'"{cell}"' for cell in row) + "\r\n" for row in rows)
    read = read_statements(StatementFile("t", text.encode(encoding)), "csv", WantedStatement(account=OURS))
    assert [(line.money.units, line.counterparty.name) for line in read.lines] == [(15000, "Ґедзь Їжак, О. і Я.")]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"date": "D"}, {"date": "D", "debit": "X"}, {"date": "D", "amount": "S", "colour": "C"},
        {"date": "", "amount": "S"}, {"date": 5, "amount": "S"}, {"date": "D", "amount": "S", "decimal": "'"},
        {"date": "D", "amount": "S", "day_order": "DM"}, {"date": "D", "amount": "S", "delimiter": "x"},
    ],
)  # fmt: skip
def test_a_column_map_with_a_mistake_says_what_is_wrong(options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        read_profile("mine", options)


def test_a_currency_of_three_letters_in_the_map_is_the_currency_itself() -> None:
    read = read_csv("D;S\n02.09.2026;1.50\n", date="D", amount="S", currency="EUR")
    assert [str(line.money) for line in read.lines] == ["1.5 EUR"]
