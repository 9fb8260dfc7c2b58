"""A gift's own page: values with one support code, a sum of its own for coins, and what the ledger believes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from support_service import watcher
from support_service.commands.exact_sums import ExactSums
from support_service.giving import Kind, MatchClaim, Observation, PaymentClaim, Report, State
from support_service.giving.codes import is_issuable
from support_service.ledger import Ledger
from support_service.ledger.engine import Database
from support_service.ledger.tables import support_code
from support_service.money import Asset, Money
from support_service.rails.bank import epc, nbu
from support_service.rails.bank.gift import write_gift
from support_service.web.answers.exact import ADDED_AT_MOST, exact_sums
from support_service.web.answers.gift import LIMIT
from tests.fixtures.held import locked
from tests.fixtures.reports import Chain, transfer
from tests.fixtures.site import NBU
from tests.fixtures.staff import NOON, House, build_house

ARTICLE = "https://example.com/uk/a-story"
REF = re.compile(r"/gift/([0-9a-f]{32})\?lang=(uk|en)")


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    built = build_house(tmp_path, database_url)
    yield built
    built.ledger.dispose()


def begin(house: House, *, lang: str = "en", address: str = "127.0.0.1", **said: str) -> TestResponse:
    client = house.visitor(address).client
    return client.post(f"/gift?lang={lang}", data=said)


def begun(house: House, **said: str) -> str:
    answer = begin(house, **said)
    assert answer.status_code == 303, answer.text
    found = REF.fullmatch(answer.headers["Location"])
    assert found
    return found[1]


def page(house: House, ref: str, lang: str = "en") -> str:
    answer = house.visitor().client.get(f"/gift/{ref}?lang={lang}")
    assert answer.status_code == 200
    return answer.text


def state(house: House, ref: str) -> dict[str, object]:
    told: dict[str, object] = house.visitor().client.get(f"/donations/{ref}").get_json()
    return told


def sent(units: int, tx: str = "0x01", *, minutes: int = 5, **fields: Any) -> Observation:
    """A transfer of USDT on Ethereum to the first user's address."""
    told: dict[str, Any] = {
        "asset": "USDT",
        "exponent": 6,
        "locator": f"{tx}:log:0",
        "occurred_at": NOON + timedelta(minutes=minutes),
    }
    return transfer(tx, units=units, **(told | fields))


def look(house: House) -> int:
    """Let the source beside the chains take one turn; return how many transfers it knew."""
    (outcome,) = watcher.run_once([ExactSums(house.ledger.awaited_sums.answered)], house.ledger)
    return outcome.donations_changed


def matches(ledger: Ledger) -> list[tuple[str | None, str | None]]:
    assert ledger.verify() == []
    return [(str(row["support_code"] or ""), str(row["matched_by"] or "")) for row in ledger.export()]


def test_every_row_of_the_page_leads_to_a_page_of_ones_own_with_way_sum_and_article_filled_in(house: House) -> None:
    client = house.visitor().client
    asked = {"article": ARTICLE, "amount": "200", "currency": "UAH", "frequency": "once", "lang": "en"}
    links = re.findall(r'href="(/gift\?[^"]*method=[^"]+)"', client.get("/support", query_string=asked).text)
    methods = [method for method in house.app.extensions["support"].assembly.shown if method.card is None]
    assert len(links) == len(methods) > 3
    for method, link in zip(methods, map(unescape, links), strict=True):
        asked = dict(parse_qsl(urlsplit(link).query))
        assert (asked["method"], asked["article"], asked["lang"]) == (method.key, ARTICLE, "en")
        is_filled = method.filling is not None and method.filling.asset.code == "UAH"
        assert asked.get("amount") == ("200" if is_filled else None)
        form = client.get(link).text
        chosen = re.search(r'<option value="([^"]+)" selected>', form)
        assert chosen
        assert chosen[1].partition(":")[0] == method.key
        said = {"way": chosen[1], "article": ARTICLE, "amount": asked.get("amount", "")}
        intent = house.ledger.intents.find(begun(house, **said))
        assert intent is not None
        assert (intent.method, intent.article, bool(intent.units)) == (method.key, ARTICLE, is_filled)


def test_a_reader_need_say_nothing_and_is_given_a_code_all_the_same(house: House) -> None:
    ref = begun(house)
    intent = house.ledger.intents.find(ref)
    assert intent is not None and intent.support_code is not None
    assert (intent.method, intent.units, is_issuable(intent.support_code)) == ("", 0, True)
    text = page(house, ref)
    for method in ("iban", "eth", "btc", "usdt", "card"):
        assert f'id="title-{method}"' in text
    assert intent.support_code in text
    assert state(house, ref)["units"] is None


def test_a_bank_gift_carries_its_code_first_in_the_purpose(house: House) -> None:
    ref = begun(house, way="iban:UAH", amount="200", article=ARTICLE)
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    assert (intent.method, intent.currency, intent.units, intent.article) == ("iban", "UAH", 20_000, ARTICLE)
    assert f'data-copy="{intent.support_code}"' in page(house, ref)


def test_the_codes_of_a_bank_gift_hold_code_sum_and_the_same_account(tmp_path: Path, sqlite_url: str) -> None:
    from tests.fixtures.site import assembled

    (method,) = [one for one in assembled(tmp_path, NBU).methods if one.key == "iban"]
    uah = Asset("UAH", 2)
    gift = write_gift(method, "2A3C-4E62", Money(200_05, uah))
    assert gift.qr is not None and gift.link is not None
    code = nbu.decode(gift.qr.text)
    assert (code.account, code.amount_kopecks) == (dict(method.facts)["iban"], 200_05)
    assert code.fields["payment_purpose"] == "2A3C-4E62 Благодійна пожертва"
    assert gift.link.href == gift.qr.text
    assert [row.copied for row in gift.rows if row.label.text == "Payment purpose"] == ["2A3C-4E62 Благодійна пожертва"]
    without = write_gift(method, "2A3C-4E62", Money(1, Asset("EUR", 2)))
    assert without.qr is not None and nbu.decode(without.qr.text).amount_kopecks is None


def test_a_purpose_without_room_is_cut_and_never_the_code(tmp_path: Path) -> None:
    from tests.fixtures.site import assembled

    (method,) = [one for one in assembled(tmp_path, NBU).methods if one.key == "iban"]
    facts = tuple((name, "і" * 420 if name == "purpose" else value) for name, value in method.facts)
    gift = replace(method, facts=facts).of_gift("2A3C-4E62", None)
    assert gift.qr is not None
    assert nbu.decode(gift.qr.text).fields["payment_purpose"].startswith("2A3C-4E62")


def test_an_epc_code_carries_the_support_code_as_remittance_text() -> None:

    transfer_of = epc.Transfer("Newsroom", "DE89370400440532013000", purpose="2A3C-4E62 Gift", amount_cents=12_50)
    assert "2A3C-4E62 Gift" in epc.encode(transfer_of)


def test_a_bitcoin_gift_carries_its_exact_sum_in_code_and_link(house: House) -> None:
    ref = begun(house, method="btc", amount="0.01")
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    text = unquote(page(house, ref))
    exact = f"0.0{intent.units}".rstrip("0")
    assert f"?amount={exact}" in text
    drawn = house.visitor().client.get(f"/gift/{ref}/qr.svg")
    assert (drawn.status_code, drawn.mimetype, drawn.headers["Cache-Control"]) == (200, "image/svg+xml", "no-store")


@pytest.mark.parametrize("units", [10_000_000, 199, 200, 10**18, 10_000, 5 * 10**15 + 7, 10**30])
def test_the_digits_that_tell_a_gift_apart_are_half_a_percent_at_most(units: int) -> None:
    for sum_ in exact_sums(units, lambda n: n - 1):
        assert units < sum_ <= units + units // ADDED_AT_MOST
    assert bool(exact_sums(units, lambda n: 0)) == (units >= ADDED_AT_MOST)


def test_no_two_open_gifts_are_awaited_in_one_sum(house: House) -> None:
    refs = [begun(house, way="eth:USDT", amount="10", address=f"10.0.{n}.1") for n in range(60)]
    intents = [house.ledger.intents.find(ref) for ref in refs]
    sums = [intent.units for intent in intents if intent is not None]
    assert len(set(sums)) == len(sums) == 60
    assert all(10_000_000 < units <= 10_050_000 for units in sums)


def test_a_transfer_of_the_exact_sum_is_seen_counted_and_confirmed_on_its_page(house: House) -> None:
    ref = begun(house, way="eth:USDT", amount="10", article=ARTICLE)
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    chain = Chain(house.ledger)
    chain.says(sent(intent.units, block="A"))
    assert look(house) == 1
    told = state(house, ref)
    assert (told["state"], told["is_final"]) == ("processing", False)
    assert told["received"] == [
        {
            "units": str(intent.units), "amount": told["amount"], "asset": "USDT", "network": "ethereum",
            "state": "seen", "confirmations": 2, "needed": 64,
        }
    ]  # fmt: skip
    text = page(house, ref)
    assert "We see your transfer" in text
    assert "2 of 64 blocks" in text
    assert "How to give it" not in text
    chain.says(sent(intent.units, block="A", state=State.CONFIRMED))
    text = page(house, ref)
    assert "Received. Thank you!" in text
    assert f'href="{ARTICLE}"' in text
    assert state(house, ref)["state"] == "received"
    (row,) = house.ledger.export()
    assert (row["support_code"], row["matched_by"], row["article"]) == (intent.support_code, "amount", ARTICLE)
    assert (row["units"], row["counted_units"]) == (str(intent.units), str(intent.units))
    assert house.ledger.verify() == []


def test_any_other_sum_counts_and_is_nobodys(house: House) -> None:
    ref = begun(house, way="eth:USDT", amount="10")
    chain = Chain(house.ledger)
    chain.says(sent(10_000_000, state=State.CONFIRMED))
    assert look(house) == 0
    assert matches(house.ledger) == [("", "")]
    assert [total.units for total in house.ledger.totals()] == [10_000_000]
    assert state(house, ref)["received"] == []


def test_a_match_changes_no_money_and_is_told_once(house: House) -> None:
    ref = begun(house, way="eth:USDT", amount="10")
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    Chain(house.ledger).says(sent(intent.units, state=State.CONFIRMED))
    before = house.ledger.totals()
    assert (look(house), look(house)) == (1, 0)
    assert house.ledger.totals() == before
    history = house.ledger.donation(next(iter(house.ledger.donations())).donation.identity.ref)
    assert history is not None
    assert sum(isinstance(one.claim, MatchClaim) for one in history.observations) == 1
    assert sum(isinstance(one.claim, PaymentClaim) for one in history.observations) == 1


def test_two_transfers_of_one_sum_are_for_people(house: House) -> None:
    intent = house.ledger.intents.find(begun(house, way="eth:USDT", amount="10"))
    assert intent is not None
    Chain(house.ledger).says(sent(intent.units, "0x01"), sent(intent.units, "0x02"))
    assert look(house) == 0
    assert {by for _, by in matches(house.ledger)} == {""}


@pytest.mark.parametrize(
    "fields",
    [
        {"minutes": -60 * 3},
        {"minutes": 60 * 24 * 3 + 1},
        {"address": "0x0000000000000000000000000000000000000001"},
        {"network": "base"},
        {"asset": "USDC"},
        {"kind": Kind.PROTOCOL},
        {"state": State.ORPHANED},
    ],
    ids=str,
)
def test_the_sum_alone_is_not_enough(house: House, fields: dict[str, Any]) -> None:
    intent = house.ledger.intents.find(begun(house, way="eth:USDT", amount="10"))
    assert intent is not None
    Chain(house.ledger).says(sent(intent.units, **fields))
    assert look(house) == 0


def test_a_transfer_that_was_replaced_gives_its_place_to_the_new_one(house: House) -> None:
    ref = begun(house, way="eth:USDT", amount="10")
    intent = house.ledger.intents.find(ref)
    assert intent is not None
    chain = Chain(house.ledger)
    chain.says(sent(intent.units, "0x01"))
    assert look(house) == 1
    chain.says(sent(intent.units, "0x01", state=State.REPLACED), sent(intent.units, "0x02"))
    assert look(house) == 1
    assert [one["state"] for one in state(house, ref)["received"]] == ["replaced", "seen"]  # type: ignore[attr-defined]
    assert state(house, ref)["state"] == "processing"


def test_what_a_person_said_of_a_transfer_stands(house: House) -> None:
    intent = house.ledger.intents.find(begun(house, way="eth:USDT", amount="10"))
    assert intent is not None
    seen = sent(intent.units)
    Chain(house.ledger).says(seen)
    nobodys = Observation(seen.identity, MatchClaim(None, "staff", "not theirs"), "match", (1, 0))
    house.ledger.accept(Report("staff:anna", "1", (nobodys,)))
    assert look(house) == 0


def test_the_thank_you_page_of_a_transfer_leads_to_its_own(house: House) -> None:
    ref = begun(house)
    answer = house.visitor().client.get(f"/thanks/{ref}?lang=en")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/gift/{ref}?lang=en")


def test_looking_at_a_gift_writes_nothing_and_nobody_keeps_it(house: House) -> None:
    ref = begun(house, way="usdt:USDT", amount="5")
    before = house.ledger.head()
    for path in (f"/gift/{ref}", f"/gift/{ref}/qr.svg", f"/donations/{ref}", "/gift"):
        answer = house.visitor().client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]
    assert house.ledger.head() == before


@pytest.mark.parametrize(
    "said",
    [
        {"way": "nobody:X"},
        {"asset": "USDT", "amount": "5"},
        {"way": "iban:UAH", "amount": "1,000"},
        {"way": "iban:UAH", "amount": "minus two"},
        {"way": "eth:ETH", "amount": "0"},
        {"way": "eth:ETH", "amount": "9" * 29},
        {"way": "eth:ETH", "exact": "1e9"},
    ],
    ids=str,
)
def test_what_is_doubtful_is_asked_back_and_opens_nothing(house: House, said: dict[str, str]) -> None:
    answer = begin(house, **said)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert issued(house) == []


def issued(house: House) -> list[str]:
    """List the support codes that were issued."""
    database = Database(house.app.extensions["support"].configured.settings.database_url)
    with database.read() as tx:
        found = list(tx.execute(select(support_code.c.code)).scalars())
    database.dispose()
    return found


def test_a_sum_that_may_be_read_twice_offers_both(house: House) -> None:
    text = begin(house, way="iban:UAH", amount="1,000").text
    assert 'name="exact" value="1000"' in text
    assert 'name="exact" value="1"' in text
    assert house.ledger.intents.find(begun(house, way="iban:UAH", exact="1000")).units == 100_000  # type: ignore[union-attr]


def test_a_form_of_another_site_opens_nothing(house: House) -> None:
    client = house.visitor().client
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post("/gift?lang=en", data={"way": "iban:UAH"}, headers=headers)
        assert answer.status_code == 403
        assert "Show how to give" in answer.text
    assert issued(house) == []


def test_one_place_opens_so_many_and_others_go_on(house: House) -> None:
    for _ in range(LIMIT.place_max):
        begun(house)
    refused = begin(house)
    assert refused.status_code == 429
    assert "whatever you send counts" in refused.text
    assert "5169 3351 0164 7408" not in refused.text
    assert begin(house, address="203.0.113.9").status_code == 303
    house.clock.advance(minutes=11)
    begun(house)


@pytest.mark.parametrize("for_readers", [True, False], ids=["read", "write"])
def test_a_held_database_is_told_soon_and_calmly(house: House, database_url: str, for_readers: bool) -> None:
    ref = begun(house)
    with locked(database_url, for_readers=for_readers):
        answer = begin(house)
        assert answer.status_code == 503
        assert "whatever you send counts" in answer.text
        looked = house.visitor().client.get(f"/gift/{ref}?lang=en")
        assert looked.status_code == (503 if for_readers else 200)
        house.clock.advance(seconds=6)
    house.clock.advance(seconds=6)
    assert "We look out for your gift" in page(house, ref)


@pytest.mark.parametrize("ref", ["0" * 32, "x", "0" * 31, "..%2f..", "A" * 32, "0" * 33, "0" * 31 + "ї"])
def test_a_reference_nobody_has_is_a_calm_404(house: House, ref: str) -> None:
    for path in (f"/gift/{ref}", f"/gift/{ref}/qr.svg", f"/donations/{ref}", f"/thanks/{ref}"):
        assert house.visitor().client.get(path).status_code == 404


def test_without_a_database_a_reference_names_nothing(tmp_path: Path) -> None:
    bare = build_house(tmp_path, f"sqlite:///{tmp_path}/none.db", is_migrated=False)
    assert bare.visitor().client.get(f"/gift/{'0' * 32}").status_code == 404
    assert begin(bare).status_code == 503
