"""Has my transfer arrived: asked by its transaction, or by coin, sum and time; answered with what came, never who.

Looking is a POST, for every look is counted; the form itself is the same for every reader.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, render_template, request

from support_service.assembly import Assembly
from support_service.door.shelf import Depends
from support_service.giving import Donation, Phrase
from support_service.ledger import Ledger, LedgerError
from support_service.ledger.lookups import FOUND_MAX
from support_service.money import plain
from support_service.web.answers.asked import ArrivalQuestion, read_question
from support_service.web.answers.claim import may_claim
from support_service.web.answers.limits import Limit, admit
from support_service.web.answers.private import private
from support_service.web.answers.progress import TransferProgress, progress_of
from support_service.web.answers.ways import WayToGive, ways_of
from support_service.web.guard import SecretUnusable
from support_service.web.health import not_watched
from support_service.web.public import public
from support_service.web.service import Service, service

log = logging.getLogger(__name__)

blueprint = Blueprint("arrived", __name__)

LIMIT = Limit("arrival", place_max=20, place_long_max=120, net_max=80, net_long_max=500, all_max=600)
FIELDS = ("tx", "way", "amount", "day", "hour", "gift")
FIELD_CHARACTERS_MAX = 400

TOO_MANY = Phrase("You, or others who share your network’s address, have asked very often. Ask again in ten minutes.")
DOWN = Phrase(
    "We cannot reach our records just now. Your transfer goes its way without this page; ask again in a minute."
)


@dataclass(frozen=True, slots=True)
class ArrivalAnswer:
    """What was found; `is_one`: the question can mean only this. read_at: when the way was last looked at, if ever.

    may_claim: who sent it may sign for it.
    """

    found: tuple[TransferProgress, ...]
    is_one: bool
    way: WayToGive | None = None
    read_at: datetime | None = None
    is_watched: bool = True
    may_claim: bool = False

    @property
    def is_underway(self) -> bool:
        """Tell whether asking again will bring more."""
        return not self.found or any(one.is_underway for one in self.found)


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what the form depends on."""
    ways = ("", *(way.key for way in ways_of(assembly.methods)))
    yield "/arrived", Depends(choices={"lang": assembly.settings.publisher.languages, "way": ways})


@blueprint.get("/arrived")
def form() -> Response:
    """Ask what was sent."""
    return public(_page({"way": request.args.get("way", "")}))


@blueprint.post("/arrived")
def look() -> Response:
    """Look for it, and say what became of it."""
    at = service()
    typed = {name: request.form.get(name, "")[:FIELD_CHARACTERS_MAX] for name in FIELDS}
    question = read_question(typed, ways_of(at.assembly.methods), at.zone)
    if question.mistake is not None:
        return private(_page(typed, question, alert=question.mistake), 400)
    try:
        if not admit(at, LIMIT, request.remote_addr or ""):
            return private(_page(typed, question, alert=TOO_MANY), 429, retry_after=600)
        answer = at.read(lambda ledger: _answer(at, ledger, question))
    except (LedgerError, SecretUnusable) as error:
        log.warning("arrived_ledger_down", extra={"error": str(error)})
        return private(_page(typed, question, alert=DOWN), 503, retry_after=30)
    return private(_page(typed, question, answer=answer), 200)


def _answer(at: Service, ledger: Ledger, question: ArrivalQuestion) -> ArrivalAnswer:
    donations, read_up_to, way = _found(ledger, question), ledger.lookups.read_up_to(), question.way
    found = tuple(progress_of(one, at.assembly.methods, read_up_to) for one in donations)
    read_at = None
    if way is not None and way.watch is not None:
        read = read_up_to.get(f"{way.method.rail}:{way.watch.network}")
        read_at = None if read is None else read.checked_at
    is_watched = way is None or way.method.key not in not_watched(at)
    claimable = bool(question.names) and any(may_claim(at, one) for one in donations)
    return ArrivalAnswer(found, bool(question.names) or len(found) == 1, way, read_at, is_watched, claimable)


def _found(ledger: Ledger, question: ArrivalQuestion) -> tuple[Donation, ...]:
    if question.names:
        return ledger.lookups.of_transaction(question.names)
    way, money = question.way, question.money
    assert way is not None and money is not None and question.since is not None and question.until is not None
    code = way.asset.code
    return ledger.lookups.of_sum(way.method.key, code, money.units, since=question.since, until=question.until)


def _page(
    typed: dict[str, str],
    question: ArrivalQuestion | None = None,
    *,
    alert: Phrase | None = None,
    answer: ArrivalAnswer | None = None,
) -> str:
    at = service()
    ways = ways_of(at.assembly.methods)
    return render_template(
        "arrived.html",
        chain_ways=[way for way in ways if way.watch is not None],
        bank_ways=[way for way in ways if way.watch is None],
        typed={name: typed.get(name, "") for name in FIELDS},
        wrong=question.field if question else "",
        meant=[(money, plain(money)) for money in question.meant] if question else [],
        alert=alert,
        answer=answer,
        asks_email=at.configured.told.mailbox is not None,
        found_max=FOUND_MAX,
    )
