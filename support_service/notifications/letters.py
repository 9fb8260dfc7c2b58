"""Letters to readers who gave an e-mail: a receipt, a year's gifts, how a regular gift stands, links that were lost.

An address is looked up when a letter is written, and in no row of the outbox but that of a lost link, which is
emptied once it is answered. What was erased gets no letter.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from support_service.giving import Donation, Intent, Phrase, Plan, PlanPlace
from support_service.ledger import Ledger
from support_service.ledger.outbox import OutboxMessage
from support_service.money import Asset, Money
from support_service.notifications.newsroom import Newsroom, Voice
from support_service.notifications.sender import NothingToSay
from support_service.notifications.sheet import Sheet
from support_service.notifications.smtp import is_address
from support_service.notifications.way import ChannelDown, ChannelRefused, File, Message
from support_service.settings import resource

# So many plans are looked through for a lost link, the newest first, and so many links stand in one letter.
PLANS_PER_PAGE, PLANS_MAX, LINKS_MAX = 200, 20_000, 10

# A payment may be told before who paid it: half an hour, by the rests of the sender.
TRIES_FOR_EMAIL = 6

PLAN_SUBJECTS = {
    "monthly_begun": Phrase("Your regular gift to %(publisher)s has begun"),
    "monthly_failing": Phrase("Your regular gift to %(publisher)s could not be charged"),
    "monthly_lost": Phrase("Your regular gift to %(publisher)s has ended"),
}
PLAN_WORDS = {
    "monthly_begun": Phrase("Thank you: you make our work last. On your page you can stop, pause or change it."),
    "monthly_failing": Phrase(
        "The last payment did not go through; it is tried again by itself. If your card is another one now, you can "
        "change it on your page in a minute."
    ),
    "monthly_lost": Phrase("Nothing more is charged. Thank you for all you gave."),
}
GIFT_PAGE = Phrase(
    "It shows how to give and then whether it has arrived. Somebody typed your e-mail there; if it was not you, "
    "do nothing."
)
NEW_PASSWORD = Phrase(
    "Somebody asked for a new password to the staff pages with your e-mail. The link works once, for half an hour. If "
    "it was not you, do nothing: your password stays."
)
YOUR_PAGE = Phrase("Your regular gift")
MEND = Phrase("Change the card")
AGAIN = Phrase("Give again")


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter: what stands above it, what it says, the facts as a table, and where its buttons lead.

    sheet: how the file is called that has it on paper; "" for none.
    """

    subject: str
    words: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    small: tuple[str, ...] = ()
    sheet: str = ""


class Letters:
    """Writes the letters of one publisher."""

    def __init__(self, room: Newsroom, ledger: Ledger) -> None:
        self._room, self._ledger = room, ledger
        loader = FileSystemLoader(str(resource("templates")))
        self._pages = Environment(
            loader=loader,
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._write: dict[str, Callable[[OutboxMessage], Message]] = {
            "receipt": self._receipt,
            "year": self._year,
            "gift_page": self._gift_page,
            "lost_link": self._lost_link,
            "new_password": self._new_password,
        }
        self._write |= dict.fromkeys(PLAN_SUBJECTS, self._plan)

    def write(self, held: OutboxMessage) -> Message:
        """Write a letter as things are now; raises NothingToSay where it does not hold any more."""
        return self._write[held.news.kind](held)

    def _receipt(self, held: OutboxMessage) -> Message:
        history = self._ledger.donation(str(held.news.facts["donation"]))
        if history is None or not history.donation.counted_units:
            raise NothingToSay("the gift does not count any more")
        gift = history.donation
        intent = None if gift.intent is None else self._ledger.intents.find(gift.intent)
        to = self._known(held, self._ledger.donors.email_of(gift.identity.ref))
        voice = self._voice(intent)
        name = self._room.publisher.named(voice.lang)
        money = Money(gift.payment.units, Asset(gift.identity.asset, gift.payment.exponent))
        values = (("publisher", name), ("sum", voice.sum(money)))
        letter = Letter(
            subject=voice.say(Phrase("Receipt: %(sum)s to %(publisher)s", values)),
            words=(voice.say(Phrase("Thank you. Your gift has arrived.")),),
            facts=tuple(self._receipt_facts(gift, intent, voice)),
            links=tuple(self._receipt_links(intent, voice)),
            sheet=f"receipt-{gift.identity.ref[:12]}.pdf",
        )
        return self._message(held, letter, voice, to)

    def _receipt_facts(self, gift: Donation, intent: Intent | None, voice: Voice) -> Iterator[tuple[str, str]]:
        asset, publisher = Asset(gift.identity.asset, gift.payment.exponent), self._room.publisher
        yield voice.say(Phrase("Sum")), voice.sum(Money(gift.payment.units, asset))
        if intent is not None and intent.covered_fee_units:
            covered = voice.sum(Money(intent.covered_fee_units, asset))
            yield voice.say(Phrase("Of it, to cover the fee")), covered
        if gift.refunded_units:
            yield voice.say(Phrase("Refunded since")), voice.sum(Money(gift.refunded_units, asset))
        yield voice.say(Phrase("Day")), gift.payment.occurred_at.astimezone(publisher.zone).date().isoformat()
        yield voice.say(Phrase("Way to give")), self._room.title(gift.payment.method, voice)
        yield voice.say(Phrase("To whom")), publisher.legal or publisher.named(voice.lang)
        if gift.support_code or (intent is not None and intent.support_code):
            code = gift.support_code or (intent.support_code if intent is not None else None)
            yield voice.say(Phrase("Support code")), str(code)
        yield voice.say(Phrase("Number")), gift.identity.ref

    def _receipt_links(self, intent: Intent | None, voice: Voice) -> Iterator[tuple[str, str]]:
        if intent is None:
            return
        plan = self._ledger.plans.of(intent.ref)
        if plan is not None and not self._room.stands(plan).is_over:
            yield self._plan_link(YOUR_PAGE, intent.ref, voice)
        else:
            url = f"{self._room.url}/thanks/{intent.ref}?lang={voice.lang}"
            yield voice.say(Phrase("The page of your gift")), url

    def _year(self, held: OutboxMessage) -> Message:
        year, refs = str(held.news.facts.get("year", "")), held.news.facts.get("donations")
        told = [self._ledger.donation(str(ref)) for ref in refs] if isinstance(refs, list) else []
        # As they are now, each looked up alone: what was given back or erased since is in none.
        gifts = [one.donation for one in told if one is not None and one.donation.counted_units]
        emails = {gift.identity.ref: self._ledger.donors.email_of(gift.identity.ref) for gift in gifts}
        gifts = [gift for gift in gifts if emails[gift.identity.ref]]
        if not gifts:
            raise NothingToSay("no gift of the year counts any more, or no e-mail is known")
        gifts.sort(key=lambda gift: gift.payment.occurred_at)
        newest = gifts[-1]
        voice = self._voice(None if newest.intent is None else self._ledger.intents.find(newest.intent))
        values = (("publisher", self._room.publisher.named(voice.lang)), ("year", year))
        letter = Letter(
            subject=voice.say(Phrase("Your gifts to %(publisher)s in %(year)s", values)),
            words=(voice.say(Phrase("Thank you. This is what arrived from you in %(year)s.", values)),),
            facts=tuple(self._year_facts(gifts, voice)),
            sheet=f"gifts-{year}.pdf",
        )
        return self._message(held, letter, voice, str(emails[newest.identity.ref]))

    def _year_facts(self, gifts: Sequence[Donation], voice: Voice) -> Iterator[tuple[str, str]]:
        publisher, sums = self._room.publisher, dict[Asset, int]()
        yield voice.say(Phrase("To whom")), publisher.legal or publisher.named(voice.lang)
        for gift in gifts:
            asset = Asset(gift.identity.asset, gift.payment.exponent)
            sums[asset] = sums.get(asset, 0) + gift.counted_units
            day = gift.payment.occurred_at.astimezone(publisher.zone).date().isoformat()
            money = voice.sum(Money(gift.counted_units, asset))
            yield day, f"{money}, {self._room.title(gift.payment.method, voice)}"
        in_all = [voice.sum(Money(units, asset)) for asset, units in sorted(sums.items(), key=lambda one: one[0].code)]
        yield voice.say(Phrase("In all")), " + ".join(in_all)

    def _gift_page(self, held: OutboxMessage) -> Message:
        intent = self._ledger.intents.find(str(held.news.facts["intent"]))
        party = json.loads(intent.personal.party or "{}") if intent is not None else {}
        if intent is None or not party.get("email"):
            raise NothingToSay("no e-mail is known")
        voice = self._voice(intent)
        name = self._room.publisher.named(voice.lang)
        letter = Letter(
            subject=voice.say(Phrase("The page of your gift to %(publisher)s", (("publisher", name),))),
            words=(voice.say(GIFT_PAGE),),
            facts=((voice.say(Phrase("Support code")), intent.support_code),) if intent.support_code else (),
            links=(
                (voice.say(Phrase("The page of your gift")), f"{self._room.url}/gift/{intent.ref}?lang={voice.lang}"),
            ),
        )
        return self._message(held, letter, voice, str(party["email"]))

    def _plan(self, held: OutboxMessage) -> Message:
        plan = self._ledger.plans.find(str(held.news.facts["rail"]), str(held.news.facts["plan"]))
        if plan is None or plan.intent is None:
            raise NothingToSay("the regular gift is not known any more")
        stands, kind = self._room.stands(plan), held.news.kind
        if (kind == "monthly_lost") is not stands.is_over or (kind == "monthly_failing") is not stands.is_failing:
            raise NothingToSay("it stands otherwise by now")
        giver = self._ledger.plans.givers([plan.intent]).get(plan.intent)
        intent = self._ledger.intents.find(plan.intent)
        to = self._known(held, giver.email if giver is not None else None)
        voice = self._voice(intent)
        money = voice.sum(Money(plan.units, Asset(plan.currency, plan.exponent)))
        facts = [(voice.say(Phrase("Sum")), money)]
        if plan.terms is not None and plan.terms.next_at is not None and not stands.is_over:
            day = plan.terms.next_at.astimezone(self._room.publisher.zone).date()
            facts.append((voice.say(Phrase("Next payment")), day.isoformat()))
        name = self._room.publisher.named(voice.lang)
        link = self._plan_link(MEND if stands.is_failing else YOUR_PAGE, plan.intent, voice)
        again = (voice.say(AGAIN), f"{self._room.url}/support?lang={voice.lang}")
        letter = Letter(
            subject=voice.say(replace(PLAN_SUBJECTS[kind], values=(("publisher", name),))),
            words=(voice.say(PLAN_WORDS[kind]),),
            facts=tuple(facts),
            links=(again,) if stands.is_over else (link,),
        )
        return self._message(held, letter, voice, to)

    def _lost_link(self, held: OutboxMessage) -> Message:
        voice = self._room.voice(str(held.news.facts.get("lang", "")))
        known = self._plans_of(str(held.news.facts.get("to", "")))
        if not known:
            raise NothingToSay("no regular gift is known under this e-mail")
        # To what the giver told the processor, never to what was typed: it may only look the same.
        to, plans = next(iter(known.items()))
        name = self._room.publisher.named(voice.lang)
        letter = Letter(
            subject=voice.say(Phrase("Your link to your regular gift: %(publisher)s", (("publisher", name),))),
            words=(voice.say(Phrase("Somebody asked for this link with your e-mail. If it was not you, do nothing.")),),
            links=tuple(self._named_link(plan, voice) for plan in plans),
        )
        return self._message(held, letter, voice, to)

    def _new_password(self, held: OutboxMessage) -> Message:
        made = self._ledger.people.new_password_link(str(held.news.facts.get("to", "")))
        if made is None:
            raise NothingToSay("nobody of ours has this e-mail")
        # To the address as it stands with us, never to what was typed: it may only look the same.
        to, token = made
        voice = self._room.voice(str(held.news.facts.get("lang", "")))
        letter = Letter(
            subject=voice.say(Phrase("Choose a new password")),
            words=(voice.say(NEW_PASSWORD),),
            links=((voice.say(Phrase("New password")), f"{self._room.url}/staff/login/new/{token}?lang={voice.lang}"),),
        )
        return self._message(held, letter, voice, to)

    def _named_link(self, plan: Plan, voice: Voice) -> tuple[str, str]:
        money = voice.sum(Money(plan.units, Asset(plan.currency, plan.exponent)))
        label, url = self._plan_link(YOUR_PAGE, str(plan.intent), voice)
        return f"{label}: {money}", url

    def _plans_of(self, email: str) -> dict[str, list[Plan]]:
        """Look for running plans whose giver has this e-mail, the newest first, by how the giver writes it."""
        found: dict[str, list[Plan]] = {}
        before: PlanPlace | None = None
        for _ in range(PLANS_MAX // PLANS_PER_PAGE):
            plans = self._ledger.plans.newest(PLANS_PER_PAGE, before)
            givers = self._ledger.plans.givers([plan.intent for plan in plans if plan.intent is not None])
            for plan in plans:
                giver = givers.get(plan.intent or "")
                told = giver.email or "" if giver is not None else ""
                if email and told.lower() == email.lower() and not self._room.stands(plan).is_over:
                    found.setdefault(told, []).append(plan)
            if len(plans) < PLANS_PER_PAGE or any(len(one) >= LINKS_MAX for one in found.values()):
                break
            before = plans[-1].place
        return {told: plans[:LINKS_MAX] for told, plans in found.items()}

    def _known(self, held: OutboxMessage, email: str | None) -> str:
        """Return whom a letter goes to; what the processor has not told yet is waited for a little."""
        if email is not None:
            return email
        if held.tries < TRIES_FOR_EMAIL:
            raise ChannelDown("no e-mail is told yet", is_whole=False)
        raise NothingToSay("no e-mail is known")

    def _plan_link(self, label: Phrase, ref: str, voice: Voice) -> tuple[str, str]:
        return voice.say(label), f"{self._room.url}/plan/{ref}?lang={voice.lang}"

    def _voice(self, intent: Intent | None) -> Voice:
        return self._room.voice(intent.lang if intent is not None else "")

    def _message(self, held: OutboxMessage, letter: Letter, voice: Voice, to: str) -> Message:
        if not is_address(to):
            raise ChannelRefused("what was given as e-mail is none")
        publisher = self._room.publisher
        small = (publisher.named(voice.lang), *(one for one in (publisher.legal, publisher.contact) if one))
        letter = replace(letter, small=small)
        page = self._pages.get_template("letter.html").render(letter=letter, lang=voice.lang)
        facts = [f"{name}: {value}" for name, value in letter.facts]
        links = [f"{name}: {url}" for name, url in letter.links]
        blocks = [*letter.words, *(["\n".join(facts)] if facts else []), *links, "-- \n" + "\n".join(small)]
        text = "\n\n".join(blocks)
        files: tuple[File, ...] = ()
        if letter.sheet:
            shown = (*small, self._room.url)
            sheet = Sheet(voice.lang, letter.subject, letter.words, letter.facts, shown, held.made_at)
            files = (File(letter.sheet, "application/pdf", sheet.draw()),)
        return Message(
            held.news.key, held.news.kind, held.made_at, letter.subject, (text,), html=page, to=to, files=files
        )
