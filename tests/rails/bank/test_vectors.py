"""Every statement of the vectors, read as expected.json says; every scenario of it."""

from datetime import datetime
from pathlib import Path

import mt940
import pytest
from mt940.models import Transactions

from support_service.giving.codes import read_code
from support_service.rails.bank.folding import squeeze
from support_service.rails.bank.identity import Recognition
from support_service.rails.bank.line import Line
from support_service.rails.bank.reversals import find_original
from support_service.rails.bank.statements import StatementRefused
from support_service.rails.bank.statements.statement import BalanceProof
from tests.rails.bank.vectors import FOLDER, ISSUED, Books, Json, class_of, expected, files, read_vector, told

READABLE = files(refused=False)
SCENARIOS = expected()["scenarios"]


def normal_form(line: Line) -> Json:
    party = line.counterparty
    reference = line.reference or next(iter(line.partial_references if line.family == "privatbank" else ()), "")
    return {
        "account": line.account,
        "date": line.day.isoformat() if line.day else None,
        "value_date": line.value_day.isoformat() if line.value_day else None,
        "units": str(line.money.units),
        "currency": line.money.asset.code,
        "counterparty": (squeeze(party.name), party.account, party.code),
        "purpose": squeeze(line.purpose),
        "reference": reference or None,
        "document": line.document or None,
        "is_reversal": line.is_reversal,
        "is_pending": line.standing == "pending",
        "books_money": line.books_money,
    }


@pytest.mark.parametrize("name", READABLE)
def test_a_file_is_read_as_its_bank_means_it(name: str) -> None:
    for line, said in zip(read_vector(name).lines, told(name)["lines"], strict=True):
        party = said["counterparty"]
        form = normal_form(line)
        wanted = {key: said[key] for key in form}
        wanted["counterparty"] = (squeeze(party["name"] or ""), party["account"] or "", party["code"] or "")
        wanted["purpose"] = squeeze(said["purpose"])
        assert form == wanted
        assert said["time_kyiv"] in (None, line.clock)
        for key, value in (("paid_through", line.paid_through), ("payer_in_text", line.payer_in_text)):
            assert squeeze(said.get(key, value)) == squeeze(value)
        assert said.get("end_to_end_id", line.end_to_end) == line.end_to_end
        assert said.get("structured_reference", line.structured_reference) == line.structured_reference
        assert said.get("batch_count", line.batch_count) == line.batch_count
        if "instructed" in said and line.instructed:
            assert (str(line.instructed.units), line.instructed.asset.code) == tuple(said["instructed"].values())


@pytest.mark.parametrize("name", READABLE)
def test_a_line_has_its_class_its_code_and_its_locator(name: str) -> None:
    lines, said_lines = list(read_vector(name).lines), told(name)["lines"]
    found = Books().take(lines)
    for one, said in zip(found, said_lines, strict=True):
        reading = read_code(one.line.texts, ISSUED)
        assert class_of(one.line).line_class == said["class"]
        assert (reading.code or None) == said["support_code"]
        assert reading.tier == said["code_read"] or "code_read_note" in said
        assert said["locator"] in (None, one.locator)
    same = [(said["natural_key"], said["ordinal"]) for said in said_lines]
    assert len(set(same)) == len({one.locator for one in found})


@pytest.mark.parametrize("name", READABLE)
def test_a_reversal_finds_the_line_that_it_takes_back(name: str) -> None:
    lines = list(read_vector(name).lines)
    locators = [one.locator for one in Books().take(lines)]
    for line, said in zip(lines, told(name)["lines"], strict=True):
        if said["reverses"]:
            original = find_original(line, lines)
            assert original is not None
            assert locators[lines.index(original)] == said["reverses"]


@pytest.mark.parametrize("name", READABLE)
def test_balances_prove_the_lines_between_them(name: str) -> None:
    read, account = read_vector(name), told(name)["accounts"][0]
    opening, closing = read.statements[0].opening_units, read.statements[-1].closing_units
    assert (opening and str(opening)) == (account["opening_units"] if account["opening_units"] != "0" else opening)
    assert (None if closing is None else str(closing)) == account["closing_units"]
    booked = sum(line.money.units for line in read.lines if line.books_money)
    if opening is not None and closing is not None:
        assert opening + booked == closing
        assert all(statement.proof is not BalanceProof.ABSENT for statement in read.statements)


@pytest.mark.parametrize("name", READABLE)
def test_rows_that_cannot_be_read_are_named_and_the_others_kept(name: str) -> None:
    rejected = told(name).get("rejected_rows", [])
    problems = read_vector(name).problems
    assert [problem.row for problem in problems] == [one["row"] for one in rejected]
    for problem, one in zip(problems, rejected, strict=True):
        assert problem.field == one["why"].partition(":")[0]
        assert problem.reason


@pytest.mark.parametrize("name", files(refused=True))
def test_what_is_no_statement_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(StatementRefused) as refused:
        read_vector(name)
    said = told(name)["refused"]
    names = [word for word in ("camt.052", "camt.054", "MT942", "1C exchange", "/settings", "ERROR") if word in said]
    assert names
    assert all(word in str(refused.value) for word in names)


@pytest.mark.parametrize("name", READABLE)
def test_a_file_brought_twice_adds_nothing(name: str) -> None:
    books = Books()
    books.take(read_vector(name).lines)
    before = (books.gift_units, len(books.lines))
    assert {one.outcome for one in books.take(read_vector(name).lines)} <= {Recognition.KNOWN}
    assert (books.gift_units, len(books.lines)) == before


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one["name"] for one in SCENARIOS])
def test_a_scenario_ends_as_it_is_told(scenario: Json) -> None:
    books, wanted = Books(), scenario["expect"]
    new, booked, gifts = [], [], []
    for step in scenario["steps"]:
        kept = Books() if step.get("dry_run") else books
        new.append(sum(one.outcome is Recognition.NEW for one in kept.take(read_vector(step["import"]).lines)))
        booked.append(books.booked)
        gifts.append(str(books.gift_units))
    assert wanted.get("new", new) == new
    assert wanted.get("booked_after_step", booked) == booked
    assert wanted.get("lines_in_ledger", len(books.lines)) == len(books.lines)
    assert wanted.get("gift_units_total", gifts[-1]) == gifts[-1]
    assert wanted.get("gift_units_total_after_step", gifts) == gifts


MT940 = sorted(path.name for path in (FOLDER / "mt940").glob("*.sta") if not path.name.startswith("wrong"))


@pytest.mark.parametrize("name", MT940)
def test_an_independent_reader_of_mt940_finds_the_same_sums_and_days(name: str) -> None:
    others = list(_oracle(FOLDER / "mt940" / name))
    ours = [(line.money.units, line.day, line.value_day) for line in read_vector(f"mt940/{name}").lines]
    assert ours == others


def _oracle(path: Path) -> list[tuple[int, object, object]]:
    parsed: Transactions | list[Transactions] = mt940.parse(
        path.read_text(encoding="utf-8-sig"), options=mt940.Options.all()
    )
    pages = parsed if isinstance(parsed, list) else [parsed]
    return [
        (int(one.data["amount"].amount * 100), _plain(one.data["entry_date"]), _plain(one.data["date"]))
        for page in pages
        for one in page
    ]


def _plain(day: object) -> object:
    return day.date() if isinstance(day, datetime) else day
