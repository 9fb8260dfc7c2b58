"""The export: the contract's fields, exact amounts, and one moment of the ledger however slow the reader."""

import csv
import io
import json
from datetime import timedelta
from itertools import islice

import pytest

from support_service.giving import Direction, Flag, Kind, Personal, State
from support_service.ledger import FORMATS, ForPeople, Ledger, Wanted
from support_service.ledger.export import rows as rows_module
from tests.fixtures.reports import NOON, Chain, gift, polled, pushed, refund, statement, transfer

TEN_THOUSAND_ETHER = 10_000 * 10**18
LARGEST = 2**256 - 1
FORMS = ("jsonl", "csv")

ADDED = ["direction", "bank_class", "bank_rule", "booking_date", "matched_by", "belongs_to"]

# Written out here on purpose: outsiders' scripts rely on exactly this.
CONTRACT = [
    "id",
    "kind",
    "rail",
    "network",
    "method",
    "address",
    "asset",
    "units",
    "amount",
    "refunded_units",
    "counted_units",
    "flags",
    "state",
    "locator",
    "block_height",
    "block_hash",
    "tx",
    "payer",
    "support_code",
    "article",
    "message",
    "seen_at",
    "confirmed_at",
    "occurred_at",
    "value",
    "fee_units",
    "net_units",
]


def lines(ledger: Ledger, form: str) -> str:
    (wanted,) = [one for one in FORMATS if one.name == form]
    return b"".join(wanted.write(ledger.exported(), ForPeople())).decode()


def test_a_row_has_the_contracts_fields_in_the_contracts_order(chain: Chain) -> None:
    chain.says(transfer(state=State.CONFIRMED, units=25 * 10**17, article="https://example.com/a"), statement())
    (row,) = chain.ledger.export()
    assert [*row] == [*CONTRACT, *ADDED]
    assert row == {
        "id": transfer().identity.ref,
        "kind": "donation",
        "rail": "evm",
        "network": "ethereum",
        "method": "eth",
        "address": "0x6db6D0E7acCa3a5b5b09c461Ae480DF9A928d0a2",
        "asset": "ETH",
        "units": "2500000000000000000",
        "amount": "2.5",
        "refunded_units": "0",
        "counted_units": "2500000000000000000",
        "flags": [],
        "state": "confirmed",
        "locator": "0x01:value",
        "block_height": 100,
        "block_hash": "A",
        "tx": "0x01",
        "payer": "0x01-payer",
        "support_code": None,
        "article": "https://example.com/a",
        "message": None,
        "seen_at": "2026-05-01T12:00:01Z",
        "confirmed_at": "2026-05-01T12:00:01Z",
        "occurred_at": "2026-05-01T12:00:00Z",
        "value": None,
        "fee_units": None,
        "net_units": None,
        "direction": "in",
        "bank_class": None,
        "bank_rule": None,
        "booking_date": None,
        "matched_by": None,
        "belongs_to": None,
    }


def test_off_chain_places_are_null_and_a_fee_leaves_a_net(ledger: Ledger) -> None:
    moment = NOON + timedelta(microseconds=7)
    ledger.accept(pushed("1", gift(units=10_50, fee_units=30, flags=(Flag.MANUAL,), occurred_at=moment, rank=(1, 0))))
    ledger.accept(pushed("2", refund(units=50, rank=(2, 0))))
    (row,) = ledger.export()
    assert {row[name] for name in ("network", "address", "block_height", "block_hash", "tx")} == {None}
    assert (row["amount"], row["refunded_units"], row["counted_units"]) == ("10.5", "50", "1000")
    assert (row["fee_units"], row["net_units"], row["flags"]) == ("30", "1020", ["manual"])
    assert row["occurred_at"] == "2026-05-01T12:00:00.000007Z" and row["state"] == "partially_refunded"


@pytest.mark.parametrize("units", [TEN_THOUSAND_ETHER, LARGEST, 1, 0])
def test_an_amount_of_any_size_survives_storing_summing_and_exporting(chain: Chain, units: int) -> None:
    chain.says(*(transfer(f"0x0{number}", units=units, state=State.CONFIRMED) for number in range(1, 8)))
    for form in FORMS:
        assert lines(chain.ledger, form).count(f"{units}") >= 7
    assert [int(str(row["units"])) for row in chain.ledger.export()] == [units] * 7
    assert [(total.units, total.count) for total in chain.ledger.totals()] == ([(7 * units, 7)] if units else [])
    assert chain.ledger.verify() == []


def test_outflows_have_positive_units_and_say_their_direction(chain: Chain) -> None:
    chain.says(transfer(direction=Direction.OUT, kind=Kind.OUTFLOW, units=7, state=State.CONFIRMED))
    (row,) = chain.ledger.export()
    assert (row["kind"], row["units"], row["counted_units"], row["direction"]) == ("outflow", "7", "0", "out")


def test_since_is_inclusive_and_until_exclusive(chain: Chain) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(4)]
    chain.says(*(transfer(f"0x{hour.hour}", occurred_at=hour) for hour in hours))
    wanted = Wanted(since=hours[1], until=hours[3])
    assert [row["locator"] for row in chain.ledger.export(wanted)] == ["0x13:value", "0x14:value"]
    assert [one.number for one in chain.ledger.donations(wanted)] == [3, 2]


def test_filters_go_together(chain: Chain) -> None:
    chain.says(transfer("0x01"), transfer("0x02", state=State.CONFIRMED), transfer("0x03", kind=Kind.PROTOCOL))
    chain.ledger.accept(pushed("1", gift()))
    wanted = Wanted(rail="evm", method="eth", state=State.SEEN, kind=Kind.DONATION)
    assert [row["locator"] for row in chain.ledger.export(wanted)] == ["0x01:value"]
    assert [row["rail"] for row in chain.ledger.export(Wanted(rail="stripe"))] == ["stripe"]


def test_a_stalled_reader_holds_up_nobody_and_gets_the_moment_it_began(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "CHUNK_ROWS", 3)
    chain.says(*(transfer(f"0x{number:02}") for number in range(1, 11)), statement())
    chain.ledger.accept(pushed("early", refund(rank=(2, 0))))
    before = list(chain.ledger.export())
    only_seen = chain.ledger.export(Wanted(state=State.SEEN))
    stalled = chain.ledger.export()
    first = list(islice(stalled, 2))
    chain.ledger.accept(pushed("late", gift(rank=(1, 0))))
    chain.says(statement("A", is_canonical=False))
    for number in range(100):
        chain.says(transfer(f"0x1{number:02}", state=State.CONFIRMED))
    assert first + list(stalled) == before
    assert list(only_seen) == before
    assert len(list(chain.ledger.export())) == 111
    assert chain.ledger.verify() == []


def test_the_csv_is_rfc_4180_and_reads_back(ledger: Ledger) -> None:
    odd = 'two\nlines, "quoted"; дякую'
    ledger.accept(pushed("1", gift(personal=Personal(message=odd), flags=(Flag.CONFLICT, Flag.MANUAL))))
    made = lines(ledger, "csv")
    assert made.startswith("id,kind,") and made.endswith("\r\n")
    (row,) = csv.DictReader(io.StringIO(made, newline=""))
    assert row["message"] == odd and row["flags"] == "conflict manual"
    assert (row["value"], row["network"], row["units"]) == ("", "", "1000")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+380 44", "'+380 44"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        ("-12.50", "-12.50"),
        ("plain", "plain"),
    ],
)
def test_a_cell_is_never_a_formula_and_a_number_stays_one(ledger: Ledger, text: str, cell: str) -> None:
    ledger.accept(pushed("1", gift(personal=Personal(message=text))))
    (row,) = csv.DictReader(io.StringIO(lines(ledger, "csv"), newline=""))
    assert row["message"] == cell


@pytest.mark.parametrize(
    "text",
    [
        "thanks;=cmd|' /C calc'!A0;x",
        "a,+1",
        "a\t-1",
        "a | @x",
        "a;  =1",
        "a\r\n=1",
        "a;＝1",
        "\u00a0=1",
        "\ufeff=1",
        "\x01+1",
        'a;"=1"',
        ";-1;+2",
        "a；＠1",
    ],
)
def test_no_separator_of_any_spreadsheet_makes_a_formula_of_what_people_write(ledger: Ledger, text: str) -> None:
    ledger.accept(pushed("1", gift(personal=Personal(message=text, payer=text))))
    made = lines(ledger, "csv")
    for separator in ";,\t|":
        for row in csv.reader(io.StringIO(made, newline=""), delimiter=separator):
            for cell in row:
                for line in cell.splitlines():
                    shown = line.lstrip('" \u00a0\ufeff\x01')
                    assert not shown.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), (separator, cell)
    (told,) = csv.DictReader(io.StringIO(made, newline=""))
    assert told["message"].replace("'", "") == text.replace("'", ""), "nothing but apostrophes is added"
    assert json.loads(lines(ledger, "jsonl"))["message"] == text


def test_a_text_without_a_risky_sign_stays_as_it_is(ledger: Ledger) -> None:
    text = "5 - 3 = 2; дякую, a+b@example.com"
    ledger.accept(pushed("1", gift(personal=Personal(message=text))))
    (row,) = csv.DictReader(io.StringIO(lines(ledger, "csv"), newline=""))
    assert row["message"] == text


def test_json_lines_stay_one_line_each_for_every_reader(ledger: Ledger) -> None:
    odd = "a\u2028b\u2029c\x85d\ne"
    ledger.accept(pushed("1", gift(personal=Personal(message=odd))))
    made = lines(ledger, "jsonl")
    assert len(made.splitlines()) == 1
    assert json.loads(made)["message"] == odd


def test_an_export_of_nothing_is_a_header_or_nothing(ledger: Ledger) -> None:
    assert lines(ledger, "jsonl") == ""
    assert lines(ledger, "csv") == ",".join([*CONTRACT, *ADDED]) + "\r\n"
    ledger.accept(polled(1))
    assert list(ledger.export()) == []
