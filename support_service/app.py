"""The one place where the web parts meet: settings and methods in, a Flask app out."""

from flask import Flask
from jinja2 import StrictUndefined

from support_service.assembly import Assembly, assemble, build_processors
from support_service.giving import Clock, utc_now
from support_service.ledger import Ledger
from support_service.settings import resource, settings_path
from support_service.web import card, errors, headers, health, i18n, layout, reader, staff, thanks, webhooks, widget
from support_service.web.breaker import PublicReads
from support_service.web.checkouts import Checkouts
from support_service.web.service import EXTENSION, Service


def create_app(assembly: Assembly, *, clock: Clock = utc_now) -> Flask:
    """Build the web app. It touches no database and no node: the page lives when both are down."""
    app = Flask(__name__, template_folder=str(resource("templates")), static_folder=None)
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    ledger = Ledger(assembly.settings.database_url, clock=clock)
    processors = build_processors(assembly, ledger.intent, clock=clock)
    app.extensions[EXTENSION] = Service(
        assembly=assembly,
        ledger=ledger,
        reads=PublicReads(clock),
        clock=clock,
        checkouts=Checkouts(clock),
        processors=processors,
    )
    headers.install(app, assembly.settings)
    i18n.install(app)
    layout.install(app)
    errors.install(app)
    reader.install(app)
    widget.install(app)
    webhooks.install(app)
    app.register_blueprint(reader.blueprint)
    app.register_blueprint(widget.blueprint)
    app.register_blueprint(card.blueprint)
    app.register_blueprint(thanks.blueprint)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(staff.blueprint)
    return app


def wsgi() -> Flask:
    """Build the app for a server worker: settings from $SUPPORT_CONFIG; raises SettingsError."""
    return create_app(assemble(settings_path(None)))
