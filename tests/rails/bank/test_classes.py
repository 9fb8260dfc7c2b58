"""What a line means, by the name of the rule that says so."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from support_service.money import Asset, Money
from support_service.rails.bank.classes import RULES, LineClass, World, classify
from support_service.rails.bank.line import Line, LineStanding, Party
from support_service.rails.bank.reversals import find_original
from tests.rails.bank.vectors import WORLD

UAH = Asset("UAH", 2)
DAY = date(2026, 9, 2)
PERSON = Party("Глечик Соломія Тарасівна", "UA043999920000026209999001004", "2222222220")
COMPANY = Party('ТОВ "ВИГАДАНІ МЛИНИ"', "UA273999910000026009999001005", "45123456")
TRANSIT = Party("Транз.рахунок платежi_ DN, DG, DZ", "UA713052990000029029999000111", "14360570")
OURS = "UA533052990000026009999000101"


def line(units: int, purpose: str = "", party: Party = PERSON, **told: object) -> Line:
    return replace(
        Line(OURS, DAY, Money(units, UAH), "privatbank", counterparty=party, purpose=purpose),
        **told,  # type: ignore[arg-type]
    )


CASES = [
    (line(100, "внесок"), "gift", "gift"),
    (line(100, "Переказ власних коштів"), "gift", "gift"),
    (line(100, "Переказ власних коштiв", Party('ГО "РЕДАКЦIЯ ПРИКЛАД"')), "own_transfer", "own_name"),
    (line(100, "x", Party("", OURS)), "own_transfer", "own_account"),
    (line(-100, "x", Party("", "", "99999991")), "own_transfer", "own_account"),
    (line(100, "STRIPE", COMPANY), "payout_stripe", "stripe"),
    (line(-100, "STRIPE", COMPANY), "other_out", "debit"),
    (line(100, "Відшкодування", Party("", "", "99999992")), "payout_acquirer", "acquirer"),
    (line(100, "торг.екв. за 01.09", Party("", "", "21133352")), "payout_acquirer", "acquirer"),
    (line(100, "внесок", Party("", "", "21133352")), "gift", "gift"),
    (line(100, "Відшкодування", COMPANY), "gift", "gift"),
    (line(100, "Оплата згiдно реєстру № @2PL вiд 01.09", TRANSIT), "registry", "registry"),
    (line(100, "Комісія, жартую: внесок", TRANSIT), "gift", "gift"),
    (line(-5, "Комiсiя за виконання платежiв", TRANSIT), "fee", "bank_fee"),
    (line(-5, "x", kind="PMNT ICDT CHRG"), "fee", "bank_fee"),
    (line(-5, "COFFEE"), "other_out", "debit"),
    (line(-5, "Заробiтна плата за серпень, ПДФО та ЄСВ сплачено"), "salary", "salary"),
    (line(-5, "ПДФО із заробітної плати", Party("ГУК у м.Києві", "", "37993783")), "tax", "treasury"),
    (line(-5, "військовий збір"), "tax", "tax"),
    (line(5, "Відсотки за серпень", Party()), "interest", "interest"),
    (line(5, "Віддаю п'ять відсотків премії"), "gift", "gift"),
    (line(5, "x", is_return=True), "returned_in", "bank_return"),
    (line(-5, "Повернення помилково перерахованих коштів"), "refund_out", "refund"),
    (line(-5, "x", kind="mcc 6011"), "cash", "cash"),
    (line(-5, "x"), "other_out", "debit"),
    (line(5, "x", batch_count=12), "review", "batch"),
    (line(5, "Оплата за рекламні послуги, без ПДВ", COMPANY), "review", "invoice"),
    (line(5, "Благодійний внесок, без ПДВ", COMPANY), "gift", "gift"),
    (line(5, "Дякую за послуги"), "gift", "gift"),
    (line(-5, "x", is_reversal=True), "reversal", "taken_back"),
    (line(5, "x", standing=LineStanding.TAKEN_BACK), "reversal", "taken_back"),
    (line(5, "Переказ зі своєї картки", kind="card"), "own_transfer", "own_card"),
    (line(5, "Переказ зі своєї картки"), "gift", "gift"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "line_class", "rule"), CASES, ids=[f"{c}: {one.purpose}" for one, c, _ in CASES])
def test_a_line_has_its_class_by_a_named_rule(one: Line, line_class: str, rule: str) -> None:
    found = classify(one, WORLD)
    assert (found.line_class, found.rule) == (line_class, rule)


def test_a_code_brings_a_line_back_from_review_but_never_from_a_payout() -> None:
    invoice, payout = line(5, "Оплата за послуги", COMPANY), line(5, "STRIPE")
    assert classify(invoice, WORLD, has_code=True).line_class is LineClass.GIFT
    assert classify(payout, WORLD, has_code=True).line_class is LineClass.PAYOUT_STRIPE


def test_what_comes_back_from_somebody_we_paid_is_no_gift() -> None:
    paid = replace(WORLD, paid_accounts=frozenset({COMPANY.account}))
    assert classify(line(5, "Повернення коштів", COMPANY), paid).line_class is LineClass.RETURNED_IN
    assert classify(line(5, "Повернення коштів", COMPANY), WORLD).line_class is LineClass.GIFT


def test_no_credit_is_lost_and_no_debit_is_a_gift_whatever_the_rules() -> None:
    assert classify(line(5), World(), rules=()).line_class is LineClass.GIFT
    assert classify(line(-5), World(), rules=()).line_class is LineClass.OTHER_OUT
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_reversal_with_two_equal_originals_is_for_a_person() -> None:
    gift = line(100, "внесок")
    back = line(-100, "сторно", is_reversal=True)
    assert find_original(back, [gift, back]) is gift
    assert find_original(back, [gift, gift, back]) is None
    other = replace(gift, end_to_end="E-2")
    assert find_original(replace(back, end_to_end="E-2"), [gift, other]) is other
    assert find_original(replace(back, counterparty=COMPANY), [gift]) is None
    assert find_original(back, [replace(gift, day=DAY + timedelta(days=1))]) is None
