"""The one place where the web parts meet: settings and methods in, a Flask app behind its door out."""

import threading
from typing import cast

from flask import Flask
from jinja2 import StrictUndefined

from support_service.assembly import Assembly, assemble, build_processors
from support_service.door import Door, DoorPlace, Routes
from support_service.door.live import Patience
from support_service.giving import Clock, utc_now
from support_service.ledger import Ledger
from support_service.settings import resource, settings_path
from support_service.web import bank_calls, errors, headers, health, i18n, layout, webhooks
from support_service.web.answers import arrived, claim, gift, lost_plan, plan
from support_service.web.breaker import PublicReads
from support_service.web.card import views as card
from support_service.web.card.checkouts import Checkouts
from support_service.web.proved import LOOK_SECONDS, ProvedAddresses
from support_service.web.reader import for_programs, month, seen, thanks, verify, widget
from support_service.web.reader import pages as reader
from support_service.web.service import EXTENSION, Service
from support_service.web.staff import alarm as staff_alarm
from support_service.web.staff import needs as staff_needs
from support_service.web.staff import views as staff


def create_app(assembly: Assembly, *, clock: Clock = utc_now) -> Flask:
    """Build the web app. It touches no database and no node: the page lives when both are down."""
    app = Flask(__name__, template_folder=str(resource("templates")), static_folder=None)
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    ledger = Ledger(assembly.settings.database_url, clock=clock)
    processors = build_processors(assembly, ledger.intents, clock=clock)
    app.extensions[EXTENSION] = Service(
        addresses=ProvedAddresses(assembly),
        ledger=ledger,
        reads=PublicReads(clock),
        writes=PublicReads(clock),
        clock=clock,
        checkouts=Checkouts(clock),
        processors=processors,
    )
    headers.install(app, assembly.settings.publisher.base)
    i18n.install(app)
    layout.install(app)
    staff_alarm.install(app)
    staff_needs.install(app)
    errors.install(app)
    webhooks.install(app)
    seen.install(app)
    app.register_blueprint(reader.blueprint)
    app.register_blueprint(for_programs.blueprint)
    app.register_blueprint(month.blueprint)
    app.register_blueprint(widget.blueprint)
    app.register_blueprint(seen.blueprint)
    app.register_blueprint(verify.blueprint)
    app.register_blueprint(card.blueprint)
    app.register_blueprint(thanks.blueprint)
    app.register_blueprint(gift.blueprint)
    app.register_blueprint(arrived.blueprint)
    app.register_blueprint(claim.blueprint)
    app.register_blueprint(plan.blueprint)
    app.register_blueprint(lost_plan.blueprint)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(bank_calls.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(staff.blueprint)
    return app


def build_door(app: Flask, assembly: Assembly, *, patience: Patience | None = None) -> Door:
    """Put the door in front of the app; `door.warm()` makes what it serves by itself."""
    place = _place(cast("Service", app.extensions[EXTENSION]))
    of_readers = (*reader.shelved(assembly), *for_programs.shelved(assembly), *widget.shelved(assembly))
    more = (*arrived.shelved(assembly), *verify.shelved(assembly), *layout.shelved(assembly))
    shelved = dict((*of_readers, *more))
    routes = Routes(
        error_page=errors.pages(app),
        shelved=shelved,
        live=("/totals.json", *month.paths(assembly)),
        headers=headers.page_headers(place.base),
        patience=patience or Patience(),
        allows=cast("Service", app.extensions[EXTENSION]).addresses.allows,
    )
    return Door(app.wsgi_app, place, routes)


def load_door() -> Door:
    """Build the service for a server worker: settings from $SUPPORT_CONFIG; raises SettingsError."""
    return warm_door(assemble(settings_path(None)))


def warm_door(assembly: Assembly) -> Door:
    """Build the service as readers meet it, with everything on the shelf."""
    app = create_app(assembly)
    door = build_door(app, assembly)
    door.warm()
    if assembly.trust is not None:
        addresses = cast("Service", app.extensions[EXTENSION]).addresses
        threading.Thread(target=_keep_proved, args=(door, addresses), name="addresses", daemon=True).start()
    return door


def _keep_proved(door: Door, addresses: ProvedAddresses) -> None:
    """Look at the manifest as long as the service lives; what is not as signed any more leaves every answer."""
    pause = threading.Event()
    while not pause.wait(LOOK_SECONDS):
        if addresses.look():
            door.warm()


def _place(at: Service) -> DoorPlace:
    web = at.assembly.settings.web
    return DoorPlace(at.base, at.hosts, web.proxy_hops, web.client_address_header.lower())
