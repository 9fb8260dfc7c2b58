"""Letters to readers who gave an e-mail: a receipt, how their regular gift stands, and the link that they lost."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from support_service.assembly import assemble
from support_service.commands.notify import build_notifiers
from support_service.demo.stripe import StripeFake
from support_service.demo.stripe.payments import Payer
from support_service.giving import MATCH_PART, MatchClaim, Observation, State
from support_service.ledger.engine import Database
from support_service.ledger.outbox import MessageStanding, News
from support_service.watcher import run_once
from tests.fixtures.books import bank_line
from tests.fixtures.cards import CardHouse, card_house, session_of
from tests.fixtures.mail import MailServer, html_of, text_of
from tests.fixtures.reports import pushed
from tests.fixtures.staff import ANNA, FrozenClock, Visitor

READER = "reader@example.org"
READER_PAYS, NOBODY = Payer("Demo Reader", READER), Payer("Demo Reader")
LEGAL = "ГО «Приклад», 12345678"


@dataclass
class Post:
    """A house that takes cards and writes letters, and the server that they come to."""

    house: CardHouse
    mail: MailServer

    def turn(self) -> None:
        run_once(self.sources, self.house.ledger)

    def __post_init__(self) -> None:
        self.sources = build_notifiers(assemble(self.house.file), self.house.ledger, clock=self.house.clock)

    def give(self, *, frequency: str = "once", lang: str = "en", payer: Payer = READER_PAYS) -> str:
        """Let a reader give 200 UAH by card; return the session."""
        reader = self.house.reader()
        session = session_of(reader.press(reader.fields(frequency=frequency, lang=lang), lang=lang))
        self.house.fake.pay(session, payer=payer)
        self.house.deliver_all()
        return session

    def plan(self, session: str) -> str:
        return str(self.house.fake.get("checkout.session", session)["subscription"])

    def ref(self, session: str) -> str:
        found = re.search(r"/thanks/([0-9a-f]{32})", self.house.fake.get("checkout.session", session)["success_url"])
        assert found
        return found[1]

    def of(self, start: str) -> list[EmailMessage]:
        return [letter for letter in self.mail.letters if str(letter["Subject"]).startswith(start)]

    def ask(self, email: str, *, address: str = "203.0.113.7") -> TestResponse:
        return self.house.reader(address).client.post("/plan?lang=en", data={"email": email})


@pytest.fixture
def post(tmp_path: Path, sqlite_url: str, clock: FrozenClock, mail: MailServer) -> Iterator[Post]:
    table = f'[mail]\nhost = "127.0.0.1"\nport = {mail.port}\nfrom = "support@example.org"\n\n'
    with StripeFake(clock=clock) as fake:
        changes = {"[publisher]": f"{table}[publisher]\nlegal = '{LEGAL}'"}
        made = Post(card_house(tmp_path, sqlite_url, fake, clock, changes=changes), mail)
        made.turn()
        yield made
        made.house.ledger.dispose()


def test_a_payment_of_a_regular_gift_brings_one_receipt(post: Post) -> None:
    session = post.give(frequency="monthly")
    for _ in range(3):
        post.turn()
        post.house.clock.advance(minutes=2)
    (letter,) = post.of("Receipt")
    assert set(post.mail.envelopes) == {(READER,)}
    assert str(letter["Subject"]).startswith("Receipt: 200 UAH to ")
    for written in (text_of(letter), html_of(letter)):
        assert "200 UAH" in written.replace("\u00a0", " ")
        assert "12345678" in written
        assert f"/plan/{post.ref(session)}?lang=en" in written
    assert "<script" not in html_of(letter) and "http://127.0.0.1:8000/static" not in html_of(letter)


def test_a_receipt_speaks_the_language_of_the_choice(post: Post) -> None:
    post.give(frequency="monthly", lang="uk")
    post.turn()
    (letter,) = post.of("Квитанція: 200")
    assert LEGAL in text_of(letter)


def test_a_gift_whose_e_mail_nobody_tells_gets_no_letter(post: Post) -> None:
    post.give(payer=NOBODY)
    for _ in range(8):
        post.turn()
        post.house.clock.advance(minutes=40)
    assert post.mail.letters == []
    assert [one.error for one in post.house.ledger.outbox.list(MessageStanding.VOID)] == ["no e-mail is known"]


def test_a_regular_gift_is_written_about_when_it_begins_fails_and_ends(post: Post) -> None:
    session = post.give(frequency="monthly")
    post.turn()
    (begun,) = post.of("Your regular gift")
    assert "has begun" in str(begun["Subject"])
    assert f"/plan/{post.ref(session)}?lang=en" in text_of(begun)
    post.house.clock.advance(seconds=5)
    post.house.fake.renew(post.plan(session), is_ok=False)
    post.house.deliver_all()
    post.turn()
    (failing,) = [letter for letter in post.of("Your regular gift") if "could not" in str(letter["Subject"])]
    assert f"/plan/{post.ref(session)}?lang=en" in text_of(failing)
    post.house.clock.advance(seconds=5)
    post.house.fake.cancel(post.plan(session))
    post.house.deliver_all()
    post.turn()
    post.turn()
    subjects = [str(letter["Subject"]) for letter in post.of("Your regular gift")]
    assert ["has begun" in one for one in subjects].count(True) == 1
    assert ["has ended" in one for one in subjects].count(True) == 1


def test_a_lost_link_comes_by_mail_and_the_page_says_the_same_to_everybody(post: Post) -> None:
    session = post.give(frequency="monthly")
    post.turn()
    known = post.ask("Reader@Example.org")
    unknown = post.ask("nobody@example.org", address="203.0.113.9")
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) == (200, unknown.text)
    post.turn()
    (letter,) = post.of("Your link")
    assert f"/plan/{post.ref(session)}?lang=en" in text_of(letter)
    assert post.mail.envelopes[-1] == (READER,), "to what the giver told, not to what was typed"
    assert len(post.of("Your link")) == 1, "the other one gets nothing"


def forget(post: Post, email: str) -> TestResponse:
    return Visitor(post.house.app.test_client()).fill("/staff/login/forgotten?lang=en", email=email)


def test_a_forgotten_password_is_chosen_anew_by_a_link_that_comes_by_mail(post: Post) -> None:
    anna = post.house.person("viewer")
    known, unknown = forget(post, " ANNA@example.org "), forget(post, "nobody@example.org")
    assert known.status_code == unknown.status_code == 200
    assert "within a few minutes" in known.text and known.text == unknown.text
    post.turn()
    (letter,) = post.of("Choose a new password")
    assert post.mail.envelopes == [(ANNA,)]
    found = re.search(r"http://127\.0\.0\.1:8000(/staff/login/new/[\w-]{43})\?lang=en", text_of(letter))
    assert found
    visitor, new = Visitor(post.house.app.test_client()), "four words nobody knows"
    assert visitor.fill(found[1], form=found[1], password="password1234", again="password1234").status_code == 400
    assert anna.get("/staff/").status_code == 200, "nothing changes before"
    assert visitor.fill(found[1], form=found[1], password=new, again=new).status_code == 303
    assert anna.get("/staff/").status_code == 303, "every session has ended"
    assert visitor.get(found[1]).status_code == 404, "it serves once"
    assert visitor.sign_in(ANNA).status_code == 403
    assert visitor.sign_in(ANNA, new).status_code == 303
    assert [one.action for one in post.house.ledger.people.actions()] == ["password", "forgot"]
    kept = b"".join(file.read_bytes() for file in post.house.file.parent.glob("ledger.db*"))
    assert kept and found[1].rpartition("/")[2].encode() not in kept


def test_a_link_to_a_new_password_ends_and_is_for_who_may_come_in(post: Post) -> None:
    people = post.house.ledger.people
    post.house.person("admin")
    (email, first), second = people.new_password_link(ANNA) or ("", ""), people.new_password_link(ANNA)
    assert email == ANNA and second is not None
    client = post.house.app.test_client()
    assert client.get(f"/staff/login/new/{first}").status_code == 404, "a newer one takes its place"
    assert client.get(f"/staff/login/new/{second[1]}").status_code == 200
    post.house.clock.advance(minutes=30)
    assert client.get(f"/staff/login/new/{second[1]}").status_code == 404
    third = people.new_password_link(ANNA)
    people.disable(ANNA)
    assert third is not None and client.get(f"/staff/login/new/{third[1]}").status_code == 404
    assert people.new_password_link(ANNA) is None and people.new_password_link("nobody@example.org") is None


def test_nobody_asks_for_many_links_to_a_new_password(post: Post) -> None:
    assert [forget(post, f"{number}@example.org").status_code for number in range(6)] == [200] * 5 + [429]
    assert forget(post, "no address").status_code == 400


def test_nobody_fills_a_mailbox_by_asking_again(post: Post) -> None:
    post.give(frequency="monthly")
    statuses = [post.ask(READER, address=f"203.0.113.{number}").status_code for number in range(5)]
    post.turn()
    assert statuses == [200] * 5
    assert len(post.of("Your link")) == 1
    assert [post.ask(READER, address="198.51.100.1").status_code for _ in range(6)] == [200] * 5 + [429]


def test_an_address_leaves_the_outbox_with_the_answer(post: Post, sqlite_url: str) -> None:
    post.give(frequency="monthly")
    post.ask(READER)
    post.ask("nobody@example.org")
    post.turn()
    database = Database(sqlite_url)
    with database.read() as tx:
        rows = tx.execute(text("SELECT * FROM outbox")).mappings().all()
    database.dispose()
    assert "example.org" not in "".join(str(dict(row)) for row in rows)


def test_what_is_no_address_is_told(post: Post) -> None:
    answer = post.ask("reader at example")
    assert answer.status_code == 400 and "This is no e-mail address." in answer.text


def test_a_gift_that_does_not_count_gets_no_receipt(post: Post) -> None:
    post.house.ledger.accept(pushed("line", bank_line("1", state=State.SEEN), source="bank"))
    ref = post.house.ledger.donations()[0].donation.identity.ref
    post.house.ledger.outbox.put([News("letters", f"receipt:{ref}", ref, "receipt", {"donation": ref})])
    post.turn()
    assert post.mail.letters == []
    assert "does not count" in post.house.ledger.outbox.list(MessageStanding.VOID)[0].error


def test_whoever_transfers_by_themselves_gets_the_link_and_then_the_receipt(post: Post) -> None:
    client = post.house.reader().client
    answer = client.post("/gift?lang=en", data={"way": "iban:UAH", "amount": "200", "email": READER})
    ref = answer.headers["Location"].split("/gift/")[1].split("?")[0]
    post.turn()
    (link,) = post.mail.letters
    assert f"/gift/{ref}?lang=en" in text_of(link)
    intent = post.house.ledger.intents.find(ref)
    assert intent is not None
    # The bank's line comes first, and whose it is is found out later.
    line = bank_line("1", 200_00, occurred_at=post.house.clock.now)
    post.house.ledger.accept(pushed("line", line, source="bank"))
    post.turn()
    assert len(post.mail.letters) == 1
    match = MatchClaim(intent.support_code, "code", "stood in the purpose", ref, None)
    post.house.ledger.accept(pushed("match", Observation(line.identity, match, MATCH_PART, (0, 0)), source="bank"))
    post.turn()
    post.turn()
    _, receipt = post.mail.letters
    assert str(receipt["Subject"]).startswith("Receipt: 200 UAH")
    assert f"/thanks/{ref}?lang=en" in text_of(receipt)


def test_an_address_of_somebody_else_is_written_to_once_an_hour(post: Post) -> None:
    for number in range(3):
        client = post.house.reader(f"203.0.{number}.7").client
        assert client.post("/gift?lang=en", data={"email": READER}).status_code == 303
    post.turn()
    assert len(post.mail.letters) == 1


def test_a_gift_without_an_address_gets_no_letter_and_a_wrong_one_is_told(post: Post) -> None:
    client = post.house.reader().client
    assert client.post("/gift?lang=en", data={"email": " "}).status_code == 303
    answer = client.post("/gift?lang=en", data={"email": "nobody"})
    assert answer.status_code == 400 and "This is no e-mail address." in answer.text
    post.turn()
    assert post.mail.letters == []


def test_without_mail_there_is_no_page_for_it(tmp_path: Path, sqlite_url: str, clock: FrozenClock) -> None:
    with StripeFake(clock=clock) as fake:
        house = card_house(tmp_path, sqlite_url, fake, clock)
        assert house.reader().client.get("/plan").status_code == 404
        house.ledger.dispose()


def on_paper(letter: EmailMessage) -> tuple[str, bytes]:
    """Read the file that goes with a letter, as another program reads it; return its text, one space a gap."""
    (file,) = letter.iter_attachments()
    assert file.get_content_type() == "application/pdf"
    body = file.get_content()
    assert isinstance(body, bytes)
    said = subprocess.run(["pdftotext", "-layout", "-", "-"], input=body, capture_output=True, check=True)
    return " ".join(said.stdout.decode().split()), body


@pytest.mark.parametrize(("lang", "subject"), [("en", "Receipt: 200"), ("uk", "Квитанція: 200")])
def test_a_single_gift_by_card_brings_a_receipt_on_paper_with_the_publishers_legal_data(
    post: Post, lang: str, subject: str
) -> None:
    post.give(lang=lang)
    post.turn()
    (letter,) = post.of(subject)
    assert set(post.mail.envelopes) == {(READER,)}
    paper, body = on_paper(letter)
    gift = post.house.ledger.donations()[0].donation
    assert subject in paper and LEGAL in paper and gift.identity.ref in paper.replace(" ", "")
    assert READER not in paper
    named = (
        subprocess.run(["pdffonts", "-"], input=body, capture_output=True, check=True).stdout.decode().splitlines()[2:]
    )
    assert named and all(line.split()[-5:-2] == ["yes"] * 3 for line in named), "no font of the reader's is needed"
    assert post.house.ledger.verify() == []


def test_a_receipt_is_the_same_on_every_try(post: Post) -> None:
    answers = ["451 later", "250 OK"]
    tries: list[EmailMessage] = []

    def answer(letter: EmailMessage) -> str:
        tries.append(letter)
        return answers.pop(0)

    post.mail.to_letter = answer
    post.give()
    post.turn()
    post.house.clock.advance(minutes=5)
    post.turn()
    assert on_paper(tries[0]) == on_paper(tries[1])


def test_whoever_is_erased_gets_no_receipt_and_their_e_mail_is_gone(post: Post, sqlite_url: str) -> None:
    post.mail.to_letter = lambda _letter: "451 later"
    post.give()
    post.turn()
    held = post.house.ledger.donors.find(READER)
    assert held.donations == (post.house.ledger.donations()[0].donation.identity.ref,)
    post.house.ledger.donors.erase(READER, by="a")
    post.mail.to_letter = lambda _letter: "250 OK"
    for _ in range(8):
        post.house.clock.advance(minutes=40)
        post.turn()
    assert post.mail.letters == [] and post.house.ledger.donors.find(READER).is_empty
    assert READER.encode() not in Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    assert post.house.ledger.verify() == []


def test_the_gifts_of_a_year_are_one_letter_to_each_who_asked_for_receipts(post: Post) -> None:
    told = post.house.file.read_text(encoding="utf-8")
    post.house.file.write_text(told.replace("[mail]\n", '[mail]\nletters = ["year"]\n'), encoding="utf-8")
    post.__post_init__()
    refunded = post.give()
    post.give(payer=Payer("Demo Reader", READER.upper()))
    post.give(payer=Payer("Another", "another@example.org"))
    post.give(frequency="monthly")
    post.give(payer=NOBODY)
    year = post.house.clock.now.year
    post.house.clock.now = datetime(year + 1, 1, 15, 6, 59, tzinfo=UTC)
    post.turn()
    assert post.mail.letters == []
    post.house.fake.refund(str(post.house.fake.get("checkout.session", refunded)["payment_intent"]), 200_00)
    post.house.deliver_all()
    for _ in range(3):
        post.house.clock.advance(hours=1)
        post.__post_init__()
        post.turn()
    assert sorted(one[0].lower() for one in post.mail.envelopes) == ["another@example.org", READER]
    (letter,) = [one for one in post.mail.letters if READER in str(one["To"]).lower()]
    assert f"in {year}" in str(letter["Subject"])
    written = text_of(letter).replace("\u00a0", " ")
    assert written.count("200 UAH") == 2 and "In all: 400 UAH" in written and LEGAL in written
    assert "In all 400 UAH" in on_paper(letter)[0]
    assert [
        one.news.facts for one in post.house.ledger.outbox.list(MessageStanding.SENT) if one.news.kind == "year"
    ] == [
        {},
        {},
    ]
