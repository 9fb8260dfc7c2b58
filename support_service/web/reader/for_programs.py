"""What programs read beside the page: who may index it, whom to tell of a hole, and the picture of a shared link."""

from collections.abc import Iterator
from datetime import timedelta

from flask import Blueprint, Response, abort, url_for
from flask_babel import gettext

from support_service.assembly import Assembly
from support_service.door.shelf import Depends
from support_service.web.public import for_other_sites, public
from support_service.web.reader.share_card import draw
from support_service.web.reader.widget import ACCENT
from support_service.web.service import service
from support_service.web.staff.words import rfc3339

blueprint = Blueprint("for_programs", __name__)

# A file says how long it may be believed (RFC 9116, 2.5.5: less than a year); it is made anew at every start.
BELIEVED_DAYS = 360
# What belongs to one reader, or to staff; pages say so themselves, too.
NOT_INDEXED = ("/staff/", "/card", "/thanks/", "/donations/", "/gift", "/arrived", "/plan/", "/webhooks/")


def shelved(assembly: Assembly) -> Iterator[tuple[str, Depends]]:
    """Tell the door what each answer depends on."""
    publisher = assembly.settings.publisher
    yield "/robots.txt", Depends()
    if publisher.contact:
        yield "/.well-known/security.txt", Depends()
    for lang in publisher.languages:
        yield f"/share/{lang}.png", Depends()


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Let everybody read what is for everybody."""
    prefix = service().base.script_name
    lines = ["User-agent: *", *(f"Disallow: {prefix}{path}" for path in NOT_INDEXED)]
    return public("\n".join(lines) + "\n", "text/plain")


@blueprint.get("/.well-known/security.txt")
def security() -> Response:
    """Say whom to tell of a hole (RFC 9116); 404 where the publisher named nobody."""
    at = service()
    publisher = at.assembly.settings.publisher
    if not publisher.contact:
        abort(404)
    lines = [
        f"Contact: {publisher.contact_uri}",
        f"Expires: {rfc3339(at.clock() + timedelta(days=BELIEVED_DAYS))}",
        f"Preferred-Languages: {', '.join(publisher.languages)}",
        f"Canonical: {at.base.origin}{url_for('for_programs.security')}",
    ]
    return public("\n".join(lines) + "\n", "text/plain")


@blueprint.get("/share/<lang>.png")
def share_card(lang: str) -> Response:
    """Draw what a shared link shows."""
    at = service()
    publisher = at.assembly.settings.publisher
    if lang not in publisher.languages:
        abort(404)
    accent = publisher.accent or ACCENT
    picture = draw(publisher.named(lang), gettext("Support our work"), f"{at.base_url}/support", accent)
    return for_other_sites(public(picture, "image/png"), to_read=False)
