"""To be told: what happened to money and sources, said to people and programs by ways of their choice.

A teller reads from the ledger what changed and puts it into the outbox; for each channel a sender says it, in the
order of each gift, until the channel says yes. README.md says how to add a way.
"""

from support_service.notifications.way import Way
from support_service.notifications.ways.apprise import APPRISE
from support_service.notifications.ways.mail import MAIL
from support_service.notifications.ways.slack import SLACK
from support_service.notifications.ways.telegram import TELEGRAM
from support_service.notifications.ways.webhook import WEBHOOK

WAYS: dict[str, Way] = {way.name: way for way in (MAIL, TELEGRAM, SLACK, WEBHOOK, APPRISE)}
