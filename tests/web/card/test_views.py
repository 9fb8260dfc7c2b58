"""Giving by card over HTTP: the sum is said once more, a token opens one payment page, doubt charges nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support_service.demo.stripe import CardTrouble, StripeFake
from support_service.giving import Personal
from support_service.ledger import canonical
from support_service.web.card.form import currencies, read_wish
from support_service.web.card.typed import typed_personal
from tests.fixtures.cards import ASKED, CardHouse, card_house, confirm_fields, session_of
from tests.fixtures.origins import SAID_BY_BROWSERS, SAID_OF_A_DOMAIN
from tests.fixtures.site import reader
from tests.fixtures.staff import FrozenClock, forms
from tests.fixtures.stripe_schema import check

ARTICLE = "https://example.com/uk/a-story"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def house(tmp_path: Path, database_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    with StripeFake(check=check, clock=clock) as fake:
        yield card_house(tmp_path, database_url, fake, clock)


@pytest.fixture
def card_site(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> Iterator[CardHouse]:
    """The same on one database, for what never depends on it."""
    with StripeFake(check=check, clock=clock) as fake:
        yield card_house(tmp_path, sqlite_url, fake, clock)


def test_without_a_processor_there_is_no_card_page(tmp_path: Path) -> None:
    client = reader(tmp_path)
    for path in ("/card", "/thanks/" + "0" * 32, "/donations/" + "0" * 32):
        assert client.get(path).status_code == 404, path
    assert client.post("/webhooks/stripe", data=b"{}").status_code == 404
    assert "<form" not in client.get("/support").text
    assert "form-action 'none'" in client.get("/widget").headers["Content-Security-Policy"]
    assert "Stripe" not in client.get("/privacy").text


def test_the_form_on_the_page_says_how_often_before_how_much(house: CardHouse) -> None:
    page = house.reader().client.get("/support", query_string={"lang": "en", "article": ARTICLE}).text
    (form,) = forms(page)
    assert (form.method, form.action) == ("get", "/support")
    assert (form.fields["lang"], form.fields["article"]) == ("en", ARTICLE)
    assert page.index('name="frequency"') < page.index('class="preset"') < page.index('name="amount"')
    assert re.search(r'href="[?]lang=en&amp;amount=\d+&amp;currency=UAH&amp;frequency=monthly&amp;article=', page)
    assert page.count("required") == 0


def test_the_page_with_the_form_is_the_same_for_all(house: CardHouse) -> None:
    client = house.reader().client
    first, second = client.get("/support"), client.get("/support", headers={"Cookie": "a=b"})
    assert first.data == second.data
    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert "Set-Cookie" not in first.headers
    assert "token" not in first.text


def test_the_button_says_exactly_what_will_be_asked_for(house: CardHouse) -> None:
    answer = house.reader().look()
    assert "Donate 200\u00a0UAH monthly" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert "Donate €10.50<" in house.reader().look(amount="10,50", currency="EUR", frequency="once").text
    uk = house.reader().look(amount="1 000,00", frequency="yearly", lang="uk").text
    assert "Жертвувати 1\u202f000\u00a0₴ щороку" in uk
    assert "Сторінка Stripe відкриється англійською." in uk
    assert "in English" not in answer.text
    assert len(re.findall(r"\brequired\b", answer.text)) <= 4


def test_a_preset_says_everything_itself(house: CardHouse) -> None:
    client = house.reader().client
    query = {"preset": "yearly:EUR:25", "frequency": "once", "currency": "UAH", "amount": "7", "lang": "en"}
    assert "Donate €25 yearly" in client.get("/card", query_string=query).text


def test_an_ambiguous_sum_is_asked_back_with_both_readings(house: CardHouse) -> None:
    answer = house.reader().look(amount="1,000")
    assert answer.status_code == 400
    assert re.findall(r'value="monthly:UAH:([\d.]+)"', answer.text)[:1] == ["1000"]
    assert "Which sum do you mean?" in answer.text
    assert "csrf" not in answer.text
    assert 'name="token"' not in answer.text


@pytest.mark.parametrize("amount", ["0", "-5", "x", "10,505", "999999999999", "0.01", "1e3"])
def test_what_cannot_be_given_is_told_in_words(house: CardHouse, amount: str) -> None:
    answer = house.reader().look(amount=amount)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'name="token"' not in answer.text


def test_asked_without_a_sum_the_page_asks_for_one(house: CardHouse) -> None:
    answer = house.reader().client.get("/card?lang=en")
    assert answer.status_code == 200
    assert "How much would you like to give?" in answer.text
    assert 'role="alert"' not in answer.text


def test_a_pressed_button_leads_to_the_payment_page(house: CardHouse) -> None:
    answer = house.reader().give(article=ARTICLE)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{house.fake.url}/c/pay/cs_")
    session = house.fake.get("checkout.session", session_of(answer))
    assert (session["amount_total"], session["currency"], session["mode"]) == (20000, "uah", "subscription")
    assert house.sessions == 1


def test_only_the_card_page_lets_a_form_end_at_the_payment_page(house: CardHouse) -> None:
    def form_action(path: str) -> str:
        policy = house.reader().client.get(path).headers["Content-Security-Policy"]
        return next(part for part in policy.split("; ") if part.startswith("form-action"))

    assert form_action("/card?lang=en") == f"form-action 'self' {house.fake.url}"
    assert form_action("/support") == "form-action 'self'"


def test_the_way_back_leads_to_the_same_payment_page(house: CardHouse) -> None:
    someone = house.reader()
    session = someone.session(article=ARTICLE)
    back = urlsplit(house.fake.get("checkout.session", session)["cancel_url"])
    fields = confirm_fields(someone.client.get(f"{back.path}?{back.query}"))
    assert parse_qs(back.query)["article"] == [ARTICLE]
    assert session_of(someone.press(fields)) == session
    assert house.sessions == 1


def test_another_sum_under_a_spent_token_is_asked_once_more(house: CardHouse) -> None:
    someone = house.reader()
    fields = someone.fields()
    assert someone.press(fields).status_code == 303
    answer = someone.press({**fields, "amount": "500"})
    assert answer.status_code == 409
    assert "Donate 500\u00a0UAH monthly" in answer.text
    again = confirm_fields(answer)
    assert again["token"] != fields["token"]
    assert someone.press(again).status_code == 303
    assert house.sessions == 2


@pytest.mark.parametrize("token", ["", "x", "0" * 32 + "-68000000-0-0-" + "0" * 64, "a" * 5000, "\u0130" * 40])
def test_a_forged_token_opens_nothing(house: CardHouse, token: str) -> None:
    someone = house.reader()
    answer = someone.press({**someone.fields(), "token": token})
    assert answer.status_code == 400
    assert "Donate 200\u00a0UAH monthly" in answer.text
    assert house.sessions == 0


def test_a_page_left_open_for_hours_is_asked_once_more(house: CardHouse) -> None:
    someone = house.reader()
    answer = someone.press(someone.fields(), seconds=7300)
    assert answer.status_code == 400
    assert someone.press(confirm_fields(answer)).status_code == 303


def test_nobody_reads_and_presses_at_once(house: CardHouse) -> None:
    someone = house.reader()
    fields = someone.fields()
    assert someone.press(fields, seconds=1).status_code == 429
    assert house.sessions == 0
    assert someone.press(fields, seconds=1).status_code == 303, "the same token, once there was time to read"


def test_a_quick_press_keeps_what_was_typed_and_goes_on_by_one_more(house: CardHouse) -> None:
    someone = house.reader()
    typed = {**someone.fields(), "name": "Олена", "message": "Дякую", "cover": "yes"}
    answer = someone.press(typed, seconds=1)
    assert "One moment, please" in answer.text
    assert 'data-goes-on-after="1"' in answer.text, "a script presses it when the time has come"
    assert answer.headers["Retry-After"] == "1"
    assert "#method-iban" in answer.text
    again = confirm_fields(answer)
    assert {name: again[name] for name in ("name", "message", "token")} == {
        name: typed[name] for name in ("name", "message", "token")
    }
    assert someone.press(again, seconds=0).status_code == 429, "too soon again is no dead end"
    assert someone.press(again, seconds=1).status_code == 303


def test_a_link_does_not_carry_anothers_token(house: CardHouse) -> None:
    """Whoever spent a token knows its thank-you page, and their name is on it."""
    attacker, victim = house.reader("192.0.2.1"), house.reader("198.51.100.9")
    session = attacker.session()
    back = urlsplit(house.fake.get("checkout.session", session)["cancel_url"])
    spent = parse_qs(back.query)["form"][0].partition(".")[0]
    unspent = attacker.fields()["token"]
    asked = "amount=200&currency=UAH&frequency=monthly"
    for query in (back.query, f"{asked}&form={spent}", f"{asked}&form={unspent}"):
        fields = confirm_fields(victim.client.get(f"{back.path}?{query}"))
        assert fields["token"] not in {spent, unspent}
        assert session_of(victim.press(fields)) != session
    other = victim.client.get(f"{back.path}?{back.query}", headers={"User-Agent": "another behind the same address"})
    assert confirm_fields(other)["token"] != spent


def test_in_ukrainian_hryvnias_stand_first(house: CardHouse) -> None:
    choice = next(method.card for method in house.app.extensions["support"].assembly.methods if method.card)
    codes = [currency.asset.code for currency in choice.currencies]
    assert (len(codes) > 1, codes[0] == "UAH", "UAH" in codes) == (True, False, True)
    assert [one.asset.code for one in currencies(choice, "uk")] == ["UAH", *(code for code in codes if code != "UAH")]
    assert currencies(choice, "en") == choice.currencies
    assert read_wish({}, choice, "uk").currency.asset.code == "UAH"
    assert read_wish({}, choice, "en").currency.asset.code == codes[0]
    pages = [house.reader().client.get("/support", query_string={"lang": lang}).text for lang in ("uk", "en")]
    first = [re.search(r'name="currency" value="(\w+)" checked', page) for page in pages]
    assert [found and found[1] for found in first] == ["UAH", codes[0]]


def test_a_field_that_people_do_not_see_stays_empty(house: CardHouse) -> None:
    someone = house.reader()
    assert someone.press({**someone.fields(), "website": "https://spam.example"}).status_code == 400
    assert house.sessions == 0


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_form_on_another_site_opens_nothing(house: CardHouse, headers: dict[str, str]) -> None:
    someone = house.reader()
    fields = someone.fields()
    house.clock.advance(seconds=3)
    assert someone.client.post("/card?lang=en", data=fields, headers=headers).status_code == 403
    assert house.sessions == 0


@pytest.mark.parametrize(("origin", "site", "is_ours"), SAID_BY_BROWSERS)
def test_a_form_counts_by_the_origin_as_a_value_and_null_needs_better_evidence(
    card_site: CardHouse, origin: str, site: str | None, *, is_ours: bool
) -> None:
    someone = card_site.reader()
    fields = someone.fields()
    card_site.clock.advance(seconds=3)
    headers = {"Origin": origin} | ({} if site is None else {"Sec-Fetch-Site": site})
    answer = someone.client.post("/card?lang=en", data=fields, headers=headers)
    assert (answer.status_code, card_site.sessions) == ((303, 1) if is_ours else (403, 0))


@pytest.mark.parametrize("asked_as", ["xn--b1amarcd.xn--j1amh", "www.xn--b1amarcd.xn--j1amh"])
def test_every_host_of_ours_counts_with_our_scheme_and_port_alone(
    tmp_path: Path, sqlite_url: str, asked_as: str
) -> None:
    hosts = '[web]\ntrusted_hosts = ["новини.укр", "www.новини.укр"]\n\n[database]'
    changes = {'url = "http://127.0.0.1:8000"': 'url = "https://новини.укр"', "[database]": hosts}
    here = f"https://{asked_as}"
    with StripeFake(check=check) as fake:
        house = card_house(tmp_path, sqlite_url, fake, FrozenClock(), changes=changes)
        client = house.reader().client
        fields = confirm_fields(client.get("/card", query_string=ASKED, base_url=here))
        house.clock.advance(seconds=3)
        for origin, site, is_ours in SAID_OF_A_DOMAIN:
            headers = {"Origin": origin} | ({} if site is None else {"Sec-Fetch-Site": site})
            answer = client.post("/card?lang=en", data=fields, headers=headers, base_url=here)
            assert (answer.status_code != 403) == is_ours, origin


def test_the_sum_of_the_form_is_checked_again(house: CardHouse) -> None:
    someone = house.reader()
    fields = someone.fields()
    for change in ({"amount": "0"}, {"amount": "1,000"}, {"currency": "XXX"}, {"frequency": "daily"}):
        assert someone.press({**fields, **change}).status_code == 400
    assert house.sessions == 0


def test_a_name_and_a_message_stay_text_and_short(house: CardHouse) -> None:
    someone = house.reader()
    fields = someone.fields()
    answer = someone.press({**fields, "name": "<script>x</script>" * 20})
    assert answer.status_code == 400
    assert "<script>x" not in answer.text
    assert someone.press({**fields, "name": "Олена\x00 \u202e<b>", "message": "Дякую\nвам"}).status_code == 303


def test_a_processor_that_does_not_answer_is_no_dead_end(house: CardHouse) -> None:
    house.fake.faults.order(CardTrouble.CUT, times=20, path="/v1/checkout")
    someone = house.reader()
    answer = someone.give()
    assert answer.status_code == 503
    assert "Nothing was charged" in answer.text
    assert "#method-iban" in answer.text
    house.fake.faults.clear()
    again = confirm_fields(answer)
    assert someone.press(again).status_code == 303
    assert house.sessions == 1


def test_a_lost_answer_does_not_open_a_second_page(house: CardHouse) -> None:
    house.fake.faults.order(CardTrouble.LOST, times=1, path="/v1/checkout")
    someone = house.reader()
    answer = someone.give()
    if answer.status_code == 503:
        answer = someone.press(confirm_fields(answer))
    assert answer.status_code == 303
    assert house.sessions == 1


def test_a_refused_page_is_tried_anew(house: CardHouse) -> None:
    house.fake.faults.order(CardTrouble.REFUSED, times=1, path="/v1/checkout")
    someone = house.reader()
    answer = someone.give()
    assert answer.status_code == 503
    assert "may not do that" not in answer.text
    assert someone.press(confirm_fields(answer)).status_code == 303


def test_without_the_ledger_nothing_is_charged_and_it_says_so(house: CardHouse, tmp_path: Path) -> None:
    someone = house.reader()
    fields = someone.fields()
    house.ledger.dispose()
    ledger = type(house.ledger)(f"sqlite:///{tmp_path}/gone/x.db", clock=house.clock)
    service = house.app.extensions["support"]
    object.__setattr__(service, "ledger", ledger)
    for answer in (someone.press(fields), someone.look()):
        assert answer.status_code == 503
        assert "Nothing was charged" in answer.text
        assert answer.headers["Retry-After"]
    assert house.sessions == 0
    assert someone.client.get("/support").status_code == 200


@pytest.mark.parametrize(
    "query", [{"article": "javascript:alert(1)"}, {"article": "http://evil.example/"}, {"lang": "xx"}]
)
def test_nothing_strange_is_carried_along(house: CardHouse, query: dict[str, str]) -> None:
    page = house.reader().client.get("/card", query_string=ASKED | query).text
    assert "evil" not in page
    assert "javascript" not in page


def test_a_payment_page_at_an_unknown_address_is_closed_and_told_truly(
    house: CardHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house.fake.account.base = "https://pay.example.com"
    answer = house.reader().give()
    assert answer.status_code == 503
    assert "does not answer" not in answer.text
    assert "Card payments do not work now" in answer.text
    assert [one["status"] for one in house.fake.account.all("checkout.session")] == ["expired"]
    (told,) = [one for one in caplog.records if one.getMessage() == "checkout_at_strange_origin"]
    assert "https://pay.example.com" in str(vars(told)["error"])
    assert "stripe.checkout_origins" in str(vars(told)["error"])


def test_the_accounts_own_checkout_domain_is_ours(tmp_path: Path, database_url: str, clock: FrozenClock) -> None:
    own = {"\ncurrencies = ": '\ncheckout_origins = ["https://PAY.example.com:443/"]\ncurrencies = '}
    with StripeFake(clock=clock) as fake:
        fake.account.base = "https://pay.example.com"
        house = card_house(tmp_path, database_url, fake, clock, changes=own)
        policy = house.reader().client.get("/card?lang=en").headers["Content-Security-Policy"]
        assert f"form-action 'self' {fake.url} https://pay.example.com;" in policy
        assert house.reader().give().headers["Location"].startswith("https://pay.example.com/c/pay/")


def test_the_prefix_of_our_address_stands_once_in_every_way_back(
    tmp_path: Path, database_url: str, clock: FrozenClock
) -> None:
    below = {'url = "http://127.0.0.1:8000"': 'url = "http://127.0.0.1:8000/donate/"'}
    with StripeFake(clock=clock) as fake:
        house = card_house(tmp_path, database_url, fake, clock, changes=below)
        client = house.reader().client
        (form,) = forms(client.get("/support").text)
        assert form.action == "/donate/support"
        frame = client.get("/widget?tells=height")
        assert "script-src 'self' http://127.0.0.1:8000/donate/;" in frame.headers["Content-Security-Policy"]
        assert 'href="http://127.0.0.1:8000/donate/card?' in frame.text
        session = fake.get("checkout.session", house.reader().session())
        assert session["cancel_url"].startswith("http://127.0.0.1:8000/donate/card?")
        assert session["success_url"].startswith("http://127.0.0.1:8000/donate/thanks/")


def test_what_the_ledger_keeps_of_a_name_confirms_no_guess_once_it_is_erased(house: CardHouse) -> None:
    someone = house.reader()
    session = session_of(someone.press({**someone.fields(frequency="once"), "name": "Олена"}))
    house.fake.pay(session)
    house.deliver_all()
    house.deliver_all()
    (listed,) = house.ledger.donations()
    personal = listed.donation.payment.personal
    assert personal.payer == "Олена"
    history = house.ledger.donation(listed.donation.identity.ref)
    assert history is not None
    guess = canonical.personal_body(listed.donation.identity.ref, Personal(payer="Олена"))
    assert guess is not None
    digests = {canonical.personal_digest(canonical.claim_text(listed.donation.identity, listed.donation.payment))}
    assert canonical.sha256(guess) not in digests
    assert personal.salt is not None
    assert typed_personal(payer="Олена").salt != personal.salt
    assert house.ledger.verify() == []


def test_a_body_kept_before_there_were_salts_reads_and_is_written_as_ever() -> None:
    body = canonical.personal_body("d-1", Personal("Олена", "Дякую"))
    assert body == '{"of":"d-1","personal":{"message":"Дякую","note":null,"payer":"Олена"}}'
    assert canonical.read_personal(body) == Personal("Олена", "Дякую")
    salted = Personal("Олена", salt="00")
    assert canonical.read_personal(canonical.personal_body("d-1", salted)).salt == "00"
