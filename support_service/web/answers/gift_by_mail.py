"""An e-mail that a reader types for the page of a gift: kept apart so that it can be erased, and written to.

They get the link to that page at once, and a receipt when the gift has arrived.
"""

import json
import secrets

from flask import request

from support_service.giving import Intent, Personal, Phrase
from support_service.ledger.outbox import News
from support_service.notifications.settings import LETTERS
from support_service.notifications.smtp import ADDRESS_CHARS_MAX, is_address
from support_service.web.card.typed import SALT_BYTES
from support_service.web.guard import keys
from support_service.web.service import Service

NO_ADDRESS = Phrase("This is no e-mail address.")


def typed_email() -> str:
    """Return what was typed; "" where nothing was."""
    return request.form.get("email", "").strip()[: ADDRESS_CHARS_MAX + 1]


def is_wrong_email(at: Service) -> bool:
    """Tell whether something was typed that nobody can write to; where no letters are sent, nothing is asked."""
    return bool(typed_email()) and at.configured.told.mailbox is not None and not is_address(typed_email())


def typed_person(at: Service, *, payer: str | None = None, message: str | None = None) -> Personal:
    """Keep what was typed, the e-mail where letters are sent at all."""
    is_told = bool(typed_email()) and at.configured.told.mailbox is not None
    party = json.dumps({"email": typed_email()}) if is_told else None
    if payer is message is party is None:
        return Personal()
    return Personal(payer, message, salt=secrets.token_hex(SALT_BYTES), party=party)


def send_page(at: Service, intent: Intent) -> None:
    """Let the link to the gift's page be sent; to one address once an hour, whoever types it. Raises LedgerError."""
    if intent.personal.is_empty:
        return
    name = keys().digest("gift page", typed_email().casefold(), f"{at.clock():%Y-%m-%dT%H}")
    news = News(LETTERS, f"gift_page:{name}", "", "gift_page", {"intent": intent.ref})
    at.write(lambda ledger: ledger.outbox.put([news]))
