"""From a confirmed gift to the address of the payment page: intent, attempt, checkout, each only once."""

import logging
import secrets
from dataclasses import dataclass
from functools import partial

from support_service.giving import Intent
from support_service.giving.codes import issue
from support_service.rails.processor import CheckoutDown, CheckoutRefused, StrangePage
from support_service.web.card.form import Confirmed
from support_service.web.card.offer import Cards
from support_service.web.reader.articles import Article
from support_service.web.service import Service

log = logging.getLogger(__name__)

REF_BYTES = 16


class ChangedSum(Exception):
    """The token was spent on another sum before: what the reader saw is not what would be charged."""


class NoCheckout(Exception):
    """The processor opened no payment page; nothing was charged, and the reader may try again."""


class NotSetUp(Exception):
    """The processor's pages lie where the settings do not let readers be sent: trying again helps nobody."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What was confirmed, the token's nonce that is spent on it, and the network it comes from, as a digest."""

    confirmed: Confirmed
    article: Article | None
    lang: str
    nonce: str
    back_url: str
    net: str


def checkout_url(at: Service, cards: Cards, gift: Gift) -> str:
    """Return where the reader pays, or the thank-you page if they have.

    Raises ChangedSum, NoCheckout, NotSetUp, LedgerError.
    """
    wanted = _intent(at, cards, gift)
    intent = at.ledger.intents.open(wanted, nonce=gift.nonce, draw_code=partial(issue, secrets.randbelow))
    if _charged(intent) != _charged(wanted):
        raise ChangedSum
    thanks_url = f"{at.base_url}/thanks/{intent.ref}?lang={gift.lang}"
    if at.ledger.intents.donations(intent.ref):
        return thanks_url
    attempt = at.ledger.intents.start_attempt(intent.ref)
    if attempt.checkout is not None:
        return attempt.checkout.url
    at.ledger.attempts.note_opened(intent.ref, gift.net)
    try:
        checkout = at.checkouts.ask(
            cards.processor.key,
            lambda: cards.processor.open_checkout(
                intent, attempt.number, started_at=attempt.started_at, thanks_url=thanks_url, back_url=gift.back_url
            ),
        )
    except StrangePage as error:
        log.warning("checkout_at_strange_origin", extra={"intent": intent.ref, "error": str(error)})
        at.ledger.intents.note_refused(intent.ref, attempt.number)
        raise NotSetUp from error
    except CheckoutRefused as error:
        log.warning("checkout_refused", extra={"intent": intent.ref, "error": str(error)})
        at.ledger.intents.note_refused(intent.ref, attempt.number)
        raise NoCheckout from error
    except CheckoutDown as error:
        return _of_another_click(at, intent, error)
    at.ledger.intents.note_checkout(intent.ref, attempt.number, checkout)
    log.info("checkout_opened", extra={"intent": intent.ref, "attempt": attempt.number})
    # Of two clicks at once the first one's page is kept, and both readers are led there: a processor that cannot tell
    # that it was asked before opens two, of which nobody sees the other.
    held = at.ledger.intents.attempt(intent.ref)
    return checkout.url if held is None or held.checkout is None else held.checkout.url


def _intent(at: Service, cards: Cards, gift: Gift) -> Intent:
    confirmed = gift.confirmed
    return Intent(
        ref=secrets.token_hex(REF_BYTES),
        method=cards.method.key,
        currency=confirmed.total.asset.code,
        exponent=confirmed.total.asset.exponent,
        units=confirmed.total.units,
        frequency=confirmed.wish.frequency,
        lang=gift.lang,
        made_at=at.clock(),
        article=gift.article.address if gift.article else None,
        article_title=gift.article.title if gift.article else "",
        placement=gift.article.placement if gift.article else "",
        covered_fee_units=confirmed.fee_units,
        personal=confirmed.personal,
    )


def _charged(intent: Intent) -> tuple[str, int, str]:
    return intent.currency, intent.units, intent.frequency


def _of_another_click(at: Service, intent: Intent, error: CheckoutDown) -> str:
    """Use the page that another click opened meanwhile: the processor does one of two at a time."""
    held = at.ledger.intents.attempt(intent.ref)
    if held is not None and held.checkout is not None:
        return held.checkout.url
    log.warning("checkout_down", extra={"intent": intent.ref, "error": str(error)})
    raise NoCheckout from error
