"""plata by mono and Stripe beside each other: one way to give by card, and the settings say who charges a currency."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support_service.assembly import assemble, build_sources
from support_service.commands.check import method_lines
from support_service.commands.freezes import switch_cards
from support_service.demo.mono import CardTrouble, MonoFake
from support_service.demo.stripe import SECRET, StripeFake
from support_service.giving import State
from support_service.ledger import Wanted
from support_service.rails.processor import checkout_switch
from support_service.watcher import run_once
from tests.fixtures.cards import session_of, told
from tests.fixtures.plata import PlataHouse, plata_house
from tests.fixtures.staff import FrozenClock, forms
from tests.fixtures.stripe import stripe_settings

EUROS = {"currency": "EUR", "amount": "25"}


@dataclass
class Street:
    """Both houses in one."""

    house: PlataHouse
    stripe: StripeFake

    def stripe_gift(self) -> str:
        session = session_of(self.house.reader().give(frequency="once", **EUROS))
        self.stripe.pay(session)
        for event in self.stripe.events[::-1]:
            body = json.dumps(event)
            header = {"Stripe-Signature": self.stripe.hooks.signed(body, SECRET)}
            answer = self.house.app.test_client().post("/webhooks/stripe", data=body, headers=header)
            assert answer.status_code == 200, answer.text
        return str(self.stripe.get("checkout.session", session)["payment_intent"])


@pytest.fixture
def street(tmp_path: Path, database_url: str) -> Iterator[Street]:
    clock = FrozenClock()
    with StripeFake(clock=clock) as stripe, MonoFake(clock=clock) as fake:
        more = stripe_settings(tmp_path, stripe, currencies=("EUR", "USD"))
        yield Street(plata_house(tmp_path, database_url, fake, clock, more=more), stripe)


def test_readers_find_one_way_and_the_currency_says_who_charges(street: Street) -> None:
    client = street.house.app.test_client()
    page = client.get("/support", query_string={"lang": "uk"}).text
    assert page.count('<form class="give"') == 1
    assert all(f'value="{code}"' in page for code in ("UAH", "EUR", "USD"))
    hryvnias, euros = (
        street.house.reader().look(frequency="once"),
        street.house.reader().look(frequency="once", **EUROS),
    )
    assert "plata by mono" in hryvnias.text and "Stripe" in euros.text
    policy = euros.headers["Content-Security-Policy"]
    assert street.house.fake.url in policy and street.stripe.url in policy


def test_both_are_in_books_staff_pages_exports_and_checks_by_their_names(street: Street) -> None:
    payment = street.stripe_gift()
    invoice = street.house.paid()
    street.house.deliver()
    assert told(street.house.ledger) == sorted(
        [(f"mono:{invoice}", State.CONFIRMED, 200_00, 200_00), (payment, State.CONFIRMED, 25_00, 25_00)]
    )
    assert {row["rail"] for row in street.house.ledger.export(Wanted())} == {"mono", "stripe"}
    assert [row["rail"] for row in street.house.ledger.export(Wanted(rail="mono"))] == ["mono"]
    page = street.house.person().get("/staff/donations", lang="en").text
    assert "stripe" in page and "mono" in page
    assembly = assemble(street.house.file)
    lines = method_lines(assembly)
    assert any("/webhooks/mono" in line for line in lines) and any("/webhooks/stripe" in line for line in lines)
    sources = build_sources(assembly, street.house.ledger, clock=street.house.clock)
    outcomes = run_once(sources, street.house.ledger)
    assert {one.source for one in outcomes if one.is_good} == {"mono:sweep", "stripe:sweep"}


def test_one_in_trouble_or_switched_off_leaves_the_other_open(street: Street) -> None:
    house = street.house
    house.fake.faults.order(CardTrouble.BROKEN, times=50, path="/api/merchant/invoice/create")
    for _ in range(5):
        assert house.reader().give(frequency="once").status_code == 503
    assert house.reader().give(frequency="once", **EUROS).status_code == 303
    admin = house.person("admin")
    form = next(one for one in forms(admin.get("/staff/cards").text) if one.fields.get("processor") == "mono")
    assert admin.send(form, note="looking", sure="yes").status_code == 303
    assert [one.source for one in house.ledger.freezes()] == [checkout_switch("mono")]
    assert house.reader().look(frequency="once").status_code == 503
    assert house.reader().look(frequency="once", **EUROS).status_code == 200


def test_the_command_switches_both(street: Street) -> None:
    said = list(switch_cards(assemble(street.house.file), street.house.ledger, is_on=False, note="closing"))
    assert [line.partition(":")[0] for line in said] == ["stripe", "mono"]
