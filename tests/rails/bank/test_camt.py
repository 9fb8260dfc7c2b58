"""What banks do to camt.053 beyond the vectors: pages, missing parties, unclosed balances, other spellings."""

import re

import pytest

from support_service.rails.bank.statements import StatementRefused
from support_service.rails.bank.statements.statement import BalanceProof
from tests.rails.bank.vectors import FOLDER, read_vector

NAME = "camt053/v08-overlap-a.xml"
TEXT = (FOLDER / NAME).read_text(encoding="utf-8")


def test_any_prefix_and_any_version_is_read() -> None:
    prefixed = re.sub(r"<(/?)(?=[A-Z])", r"<\1ns2:", TEXT).replace("xmlns=", "xmlns:ns2=")
    newer = TEXT.replace("camt.053.001.08", "camt.053.001.13")
    for text in (prefixed, newer):
        assert [line.money.units for line in read_vector(NAME, text.encode()).lines] == [10000, 20000, 30000]


def test_our_own_name_is_never_the_other_side() -> None:
    ours = TEXT.replace("<Dbtr>", "<Cdtr>").replace("</Dbtr>", "</Cdtr>").replace("DbtrAcct", "CdtrAcct")
    assert {line.counterparty.name for line in read_vector(NAME, ours.encode()).lines} == {""}


def test_a_statement_that_does_not_close_is_refused_and_says_by_how_much() -> None:
    with pytest.raises(StatementRefused, match="-1 UAH"):
        read_vector(NAME, TEXT.replace(">6500.00<", ">6499.00<").encode())


def test_an_entry_that_cannot_be_read_is_named_beside_the_balance_that_misses_it() -> None:
    with pytest.raises(StatementRefused, match="cannot be read") as refused:
        read_vector(NAME, TEXT.replace(">200.00<", ">2OO.00<").encode())
    assert [problem.row for problem in refused.value.problems] == [2]


def test_a_page_that_ends_with_an_intermediate_balance_is_proved_and_told() -> None:
    read = read_vector(NAME, TEXT.replace("CLBD", "ITBD").encode())
    assert [statement.proof for statement in read.statements] == [BalanceProof.CLOSES]
    assert any("next page" in note for note in read.notes)


def test_the_closing_balance_of_the_day_before_opens() -> None:
    read = read_vector(NAME, TEXT.replace("OPBD", "PRCD").encode())
    assert [statement.proof for statement in read.statements] == [BalanceProof.CLOSES]


def test_a_day_without_movement_is_a_statement() -> None:
    empty = re.sub(r"<Ntry>.*</Ntry>", "", TEXT, flags=re.DOTALL).replace(">6500.00<", ">5900.00<")
    read = read_vector(NAME, empty.encode())
    assert [len(statement.lines) for statement in read.statements] == [0]
    assert read.statements[0].proof is BalanceProof.CLOSES


def test_a_batch_whose_parts_do_not_sum_up_is_one_line_for_a_person() -> None:
    name = "camt053/v02-batch-of-three.xml"
    text = (FOLDER / name).read_text(encoding="utf-8").replace(">25.50<", ">25.40<")
    (line,) = read_vector(name, text.encode()).lines
    assert (line.money.units, line.batch_count) == (17550, 3)
