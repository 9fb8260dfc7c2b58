"""What is asked of banks on request: `check --online`, `verify --online`, and the address that monobank calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support_service import cli
from support_service.demo.bank import BankTrouble
from support_service.giving import Clock
from support_service.rails.bank import BANK, online
from support_service.rails.bank.live.connection import Timing
from support_service.rails.options import Mistake
from support_service.rails.rail import Compared, RailSettings
from tests.fixtures.banks import CARD, IBAN, BankHouse, bank_house
from tests.fixtures.door import create_site

ACCOUNTS = {"privatbank": IBAN, "monobank": CARD, "monobank_business": IBAN}


@pytest.fixture(params=ACCOUNTS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BankHouse]:
    kind = request.param
    with bank_house(tmp_path, f"sqlite:///{tmp_path}/books.db", {"one": (kind, ACCOUNTS[kind])}) as made:
        yield made


def run(house: BankHouse, *words: str) -> Result:
    return CliRunner().invoke(cli.commands, ["--config", str(house.file), *words], prog_name="support-service")


def compared(house: BankHouse) -> list[Compared]:
    house.clock.advance(seconds=61)
    timing = Timing(house.monotonic, house.pause)
    return list(online.compare(house.banks, house.ledger, clock=house.clock, timing=timing))


def test_a_bank_is_asked_by_the_clock_that_is_passed(house: BankHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Clock] = []

    def build(_banks: object, *, clock: Clock, timing: Timing) -> tuple[()]:
        del timing
        used.append(clock)
        return ()

    monkeypatch.setattr(online, "build_apis", build)
    assert BANK.ask_online(RailSettings(own=house.banks), clock=house.clock) == []
    assert used == [house.clock]


def test_check_asks_each_bank_and_says_what_is_wrong_without_the_token(house: BankHouse) -> None:
    right = run(house, "check", "--online")
    assert right.exit_code == 0, right.output
    assert "bank:one: 127.0.0.1" in right.stdout
    assert "asked by `watch`: bank:one" in right.stdout
    house.fakes.token = "another-one"
    house.clock.advance(minutes=2)
    wrong = run(house, "check", "--online")
    assert wrong.exit_code == 1
    assert "banks.one" in wrong.stderr
    assert "refuses the token" in wrong.stderr
    assert "guards-nothing" not in wrong.output


def test_machines_are_told_of_a_bank_as_of_any_source(house: BankHouse) -> None:
    site = create_site(house.assembly, clock=house.clock).test_client()
    house.fakes.accounts[0].pay(10_000, "дякую")
    house.look()
    assert 'support_source_state{source="bank:one",state="ok"} 1' in site.get("/metrics").text
    assert site.get("/readyz").status_code == 200
    house.fakes.token = "another-one"
    house.look()
    text = site.get("/metrics").text
    assert 'support_source_state{source="bank:one",state="ok"} 1' not in text
    assert 'support_source_state{source="bank:one"' in text
    assert "another-one" not in text


def test_check_names_an_account_that_the_token_does_not_open(tmp_path: Path) -> None:
    with bank_house(tmp_path, f"sqlite:///{tmp_path}/books.db", {"one": ("monobank", CARD)}) as house:
        house.fakes.accounts.clear()
        timing = Timing(house.monotonic, house.pause)
        (told,) = online.ask_banks(house.banks, clock=house.clock, timing=timing)
        assert isinstance(told, Mistake)
        assert "none of the 0 accounts of this token" in told.reason


def test_the_books_are_held_against_lines_and_balance(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    account.opening_units = 1_000_000
    for _ in range(4):
        account.pay(10_000)
        account.pay(-700)
        house.clock.advance(days=1)
    house.look()
    assert [one for one in compared(house) if not one.is_equal] == []
    told = " ".join(one.text for one in compared(house))
    assert "the lines of 10 days are those of the bank" in told
    has_balance = house.banks.live[0].kind != "monobank_business"
    assert ("as the bank's balance" in told) == has_balance


def test_a_line_that_the_ledger_does_not_know_is_a_problem_once_it_is_not_young(house: BankHouse) -> None:
    (account,) = house.fakes.accounts
    account.pay(10_000, "ім'я жертводавця")
    house.look()
    account.pay(2_500, "ім'я жертводавця")
    assert all(one.is_equal for one in compared(house))
    house.clock.advance(minutes=20)
    (problem,) = [one for one in compared(house) if not one.is_equal]
    assert "25 UAH came in on 2026-09-08" in problem.text
    assert "жертводавця" not in problem.text


def test_a_balance_that_differs_is_a_problem(tmp_path: Path) -> None:
    with bank_house(tmp_path, f"sqlite:///{tmp_path}/books.db", {"one": ("privatbank", IBAN)}) as house:
        (account,) = house.fakes.accounts
        account.pay(10_000)
        account.pay(5_000)
        house.clock.advance(days=4)
        house.fakes.faults.order(BankTrouble.ONE_LESS, times=9, path="/transactions")
        house.look()
        (problem,) = [one for one in compared(house) if not one.is_equal]
        assert "the ledger says +50.00 UAH, the bank's balance +150.00 UAH" in problem.text


def test_verify_online_asks_banks_and_a_silent_one_is_a_problem(house: BankHouse) -> None:
    house.fakes.faults.order(BankTrouble.BROKEN, times=9)
    told = run(house, "verify", "--online")
    assert told.exit_code == 1
    assert "could not be compared" in told.stderr


def test_monobanks_call_wakes_the_watcher_and_books_nothing(tmp_path: Path) -> None:
    with bank_house(tmp_path, f"sqlite:///{tmp_path}/books.db", {"one": ("monobank", CARD)}) as house:
        (source,) = house.sources()
        house.look([source])
        client = create_site(house.assembly, clock=house.clock).test_client()
        client.get("/support")
        (tmp_path / "web.secret").write_text("s" * 64)
        line = next(line for line in run(house, "check", "--online").stdout.splitlines() if "may call" in line)
        path = line.rpartition("may call ")[2].removeprefix("http://127.0.0.1:8000")
        assert path.startswith("/webhooks/monobank/")
        assert client.get(path).status_code == 200
        assert not source.is_woken()
        body = {"type": "StatementItem", "data": {"account": "x", "statementItem": {"id": "a", "amount": 5_000_000}}}
        assert client.post(path, json=body).status_code == 200
        assert client.post(path, data=b"\xff{").status_code == 200
        assert source.is_woken()
        assert house.rows() == []
        house.look([source])
        assert not source.is_woken()
        assert house.rows() == []


@pytest.mark.parametrize("secret", ["", "0" * 32, "x", "%ff", "мама"])
def test_who_does_not_know_the_secret_wakes_nobody(tmp_path: Path, secret: str) -> None:
    with bank_house(tmp_path, f"sqlite:///{tmp_path}/books.db", {"one": ("monobank", CARD)}) as house:
        client = create_site(house.assembly, clock=house.clock).test_client()
        assert client.get(f"/webhooks/monobank/{secret}").status_code == 404
        assert client.post(f"/webhooks/monobank/{secret}", data=b"{}").status_code == 404
        assert house.calls("bank:one") == 0
