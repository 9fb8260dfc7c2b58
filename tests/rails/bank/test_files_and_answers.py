"""A bank's file and its API in any order: each line is booked once, whichever told it first.

The files are written from the stand-ins' own payments: as the bank exports them, and as somebody saves an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support_service import cli
from support_service.demo.bank.account import BOOKED, KYIV, ON_ITS_WAY, DemoBankAccount
from support_service.demo.bank.answers import BankAnswer, BankQuestion
from tests.fixtures.banks import CARD, IBAN, BankHouse, bank_house
from tests.rails.bank.written import privatbank_csv

Json = Any


@dataclass(frozen=True)
class Told:
    """A kind of bank, the account that it is asked about, and the file that tells the same."""

    kind: str
    account: str
    format: str
    write: Callable[[BankHouse, DemoBankAccount], bytes]


def business_csv(_house: BankHouse, account: DemoBankAccount) -> bytes:
    return privatbank_csv(account.name, [one for one in account.payments if one.standing == BOOKED])


def privatbank_json(house: BankHouse, account: DemoBankAccount) -> bytes:
    today = f"{house.fakes.autoclient.today:%d-%m-%Y}"
    query = {"acc": account.name, "startDate": today, "endDate": today, "limit": "500"}
    return saved(house, house.fakes.autoclient.answer, "/api/statements/transactions", query).data


def monobank_items(house: BankHouse, account: DemoBankAccount) -> BankAnswer:
    now = int(house.clock.now.timestamp())
    path = f"/personal/statement/{account.id}/{now - 86_400}/{now + 86_400}"
    return saved(house, house.fakes.personal.answer, path)


def monobank_json(house: BankHouse, account: DemoBankAccount) -> bytes:
    return monobank_items(house, account).data


def monobank_csv(house: BankHouse, account: DemoBankAccount) -> bytes:
    """The app's CSV: neither ids nor comments, times to the second, and the balance after each row."""
    head = "Дата i час операції,Деталі операції,MCC,Сума в валюті картки (UAH),Сума в валюті операції,Валюта,Курс,"
    head += "Сума комісій (UAH),Сума кешбеку (UAH),Залишок після операції\n"
    return (head + "".join(map(app_row, monobank_items(house, account).body))).encode()


def app_row(item: Json) -> str:
    at, units = datetime.fromtimestamp(item["time"], KYIV), f"{item['amount'] / 100}"
    row = f'{at:%d.%m.%Y %H:%M:%S},"{item["description"]}",{item["mcc"]},{units},{units},UAH,—,—,—,'
    return "" if item["hold"] else f"{row}{item['balance'] / 100}\n"


def corporate_json(house: BankHouse, account: DemoBankAccount) -> bytes:
    now = int(house.clock.now.timestamp())
    path = f"/ext/v1/statement/{account.name}/{now - 86_400}/{now + 86_400}"
    return saved(house, house.fakes.corporate.answer, path, {"limit": "500"}).data


def saved(
    house: BankHouse,
    ask: Callable[[BankQuestion, str], BankAnswer],
    path: str,
    query: dict[str, str] | None = None,
) -> BankAnswer:
    """What the bank answers a person who asks it by hand, a minute after whatever was before."""
    house.clock.advance(seconds=61)
    token = house.fakes.token
    answer = ask(BankQuestion(path, query or {}, {"token": token, "x-token": token, "user-agent": "a person"}), token)
    assert answer.status == 200, answer.body
    return answer


TOLD = {
    "privatbank-csv": Told("privatbank", IBAN, "privatbank", business_csv),
    "privatbank-json": Told("privatbank", IBAN, "privatbank", privatbank_json),
    "monobank-csv": Told("monobank", CARD, "monobank", monobank_csv),
    "monobank-json": Told("monobank", CARD, "monobank", monobank_json),
    "corporate-json": Told("monobank_business", IBAN, "monobank", corporate_json),
}


def bring(house: BankHouse, told: Told) -> None:
    """Import what the bank's file tells now."""
    (account,) = house.fakes.accounts
    file = house.file.parent / "statement"
    file.write_bytes(told.write(house, account))
    line = ["--config", str(house.file), "import", str(file), "--format", told.format, "--account", told.account]
    result = CliRunner().invoke(cli.commands, line, prog_name="support-service")
    assert result.exit_code == 0, result.output


def held(account: DemoBankAccount) -> list[int]:
    return sorted(one.units for one in account.payments if one.standing == "r")


ORDERS = [(order, "sqlite_url") for order in ("api-first", "file-first", "api-between", "file-between")]


@pytest.mark.parametrize(
    ("order", "database"),
    [*ORDERS, pytest.param("file-between", "postgresql_url", marks=pytest.mark.postgres)],
)
@pytest.mark.parametrize("name", TOLD)
def test_a_file_and_the_api_in_any_order_are_one_line_each(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, order: str, database: str
) -> None:
    told, url = TOLD[name], request.getfixturevalue(database)
    with bank_house(tmp_path, url, {"one": (told.kind, told.account)}) as house:
        (account,) = house.fakes.accounts
        ways: list[Callable[[], object]] = [house.look, lambda: bring(house, told)]
        if order.startswith("file"):
            ways.reverse()
        for number in range(3):
            account.pay(10_000, "внесок із подякою")
            account.pay(2_000 + number, f"стаття {number}")
        waiting = account.pay(5_000, "у дорозі", standing=ON_ITS_WAY)
        account.pay(-700, "комісія")
        if order.endswith("between"):
            ways[0]()
            # What came meanwhile has a twin that is told already.
            account.pay(10_000, "внесок із подякою")
        for way in ways:
            way()
        account.book(waiting)
        for way in (*ways, *reversed(ways)):
            way()
        assert house.units() == held(account)
        assert house.units("seen") == []
        assert house.ledger.verify() == []


@pytest.mark.parametrize("name", ["privatbank-csv", "privatbank-json"])
def test_what_was_on_its_way_and_a_file_tells_as_booked_a_day_later_is_one_line(
    tmp_path: Path, sqlite_url: str, name: str
) -> None:
    told = TOLD[name]
    with bank_house(tmp_path, sqlite_url, {"one": (told.kind, told.account)}) as house:
        (account,) = house.fakes.accounts
        waiting = account.pay(5_000, "у дорозі", standing=ON_ITS_WAY)
        house.look()
        house.clock.advance(days=1)
        account.book(waiting)
        for _ in range(2):
            bring(house, told)
            house.look()
            assert (house.units(), house.units("seen")) == ([5_000], [])
        assert house.ledger.verify() == []
