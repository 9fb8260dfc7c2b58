"""What `check` says: every method as a reader will see it, and which chain every node is on."""

import stat
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from support_service.assembly import Assembly, expected_sources, unwatched_networks
from support_service.giving import PaymentMethod, Phrase, utc_now
from support_service.ledger.address import read_database_url
from support_service.manifest.proof import prove
from support_service.notifications.way import ChannelError
from support_service.oidc.provider import IssuerDown, IssuerLied
from support_service.rails.options import Mistake
from support_service.rails.text_file import Unreadable, read_text_file
from support_service.settings import Settings


def method_lines(assembly: Assembly) -> list[str]:
    """Write one line per method: key, rail, what is shown, the QR payload, and who hears of the money."""
    unwatched = set(unwatched_networks(assembly))
    return [_method_line(assembly, method, unwatched) for method in assembly.methods]


def channel_lines(assembly: Assembly) -> list[str]:
    """Write one line for each that is told what happens: by which way, what, and whether also who gave."""
    lines = []
    for channel in assembly.told.channels:
        told = ", ".join(sorted(channel.events)) + (f"; {channel.digest} digest" if channel.digest else "")
        readers = "; and who gave" if channel.shows_readers else ""
        lines.append(f"notify.{channel.key}\t{channel.way.name}\t{told}{readers}")
    if assembly.told.mailbox is not None:
        letters = ", ".join(sorted(assembly.told.letters)) or "nothing but lost links"
        lines.append(f"mail\tletters to readers\t{letters}")
    return lines


def sign_in_lines(assembly: Assembly) -> list[str]:
    """Write one line for the provider of staff, where there is one: what it must be told of us."""
    provider = assembly.provider
    if provider is None:
        return []
    domains = ", ".join(sorted(provider.domains)) or "any domain"
    return [f"oidc\tsign-in of staff\t{provider.issuer}\t{domains}\tcomes back to {provider.redirect_uri}"]


def warning_lines(assembly: Assembly) -> list[str]:
    """Write what is allowed, but worth a second look by the publisher."""
    settings = assembly.settings
    said = [(f"methods.{method.key}", _said(warning)) for method in assembly.methods for warning in method.warnings]
    said += [*_web_warnings(settings), *_open_files(settings)]
    return [f"{settings.file}: {key}: warning: {text}" for key, text in said]


def file_mistakes(assembly: Assembly) -> list[Mistake]:
    """Look at the places on this disk that the service will need: a command fails there, or the staff pages do."""
    found = []
    url = read_database_url(assembly.settings.database_url)
    file = Path(str(url.database))
    if url.get_backend_name() == "sqlite":
        if not file.parent.is_dir():
            found.append(Mistake("database.url", f"there is no folder {file.parent}; make it"))
        elif file.is_dir():
            found.append(Mistake("database.url", f"{file} is a folder; name a file"))
    secret = assembly.settings.web.secret_file
    if not secret.parent.is_dir():
        found.append(Mistake("web.secret_file", f"there is no folder {secret.parent}; make it"))
    elif secret.exists():
        try:
            read_text_file(secret)
        except Unreadable as error:
            found.append(Mistake("web.secret_file", f"{secret} {error}"))
    return found + [Mistake("manifest", problem) for problem in prove(assembly.trust, assembly.methods).problems]


def _web_warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    base, web = settings.publisher.base, settings.web
    if base.site.scheme == "https" and web.proxy_hops == 0:
        text = "is 0 though publisher.url is https: behind a proxy all readers are one address, and share its limits"
        yield "web.proxy_hops", text
    if base.site.scheme == "http" and not base.site.host.is_loopback:
        yield "publisher.url", "is not https: what readers see and staff type can be read and changed on the way"
    if web.trusted_hosts and base.site.host.name not in {host.name for host in web.trusted_hosts}:
        text = f"does not name {base.site.host.shown}: right only where the proxy asks us by another name"
        yield "web.trusted_hosts", text


def _open_files(settings: Settings) -> Iterator[tuple[str, str]]:
    """Name files with secrets that every account of this machine may read."""
    for key, file in settings.secret_files:
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except OSError:
            continue
        if mode & stat.S_IROTH:
            yield key, f"{file} can be read by everybody on this machine: chmod 600"


def ask_nodes(assembly: Assembly) -> list[str | Mistake]:
    """Ask every node which chain it is on, every processor and bank whether the key works, all sources of rates."""
    rails = assembly.rails.values()
    found = [told for rail in rails for told in rail.ask_online(assembly.given(rail.name), clock=utc_now)]
    found += [*_callers(assembly), *_mailbox(assembly), *_provider(assembly)]
    if assembly.value is not None:
        # Late: what asks for rates loads more than `check` alone needs.
        ask_rates = import_module("support_service.rates.online").ask_rates
        found += ask_rates(assembly.value, assembly.settings.networks, clock=utc_now)
    return found


def _mailbox(assembly: Assembly) -> Iterator[str | Mistake]:
    """Ask whether mail is taken from us; nothing is sent."""
    mailbox = assembly.told.mailbox
    if mailbox is None:
        return
    try:
        mailbox.greet()
    except ChannelError as error:
        yield Mistake("mail", str(error))
    else:
        yield f"mail: {mailbox.host}:{mailbox.port} takes letters from {mailbox.sender}"


def _provider(assembly: Assembly) -> Iterator[str | Mistake]:
    """Ask the provider of staff who it says it is, and for its keys; the client secret shows at a sign-in alone."""
    provider = assembly.provider
    if provider is None:
        return
    # Late: it brings a library of its own.
    issuer = import_module("support_service.oidc.issuer").Issuer(provider)
    try:
        issuer.look(utc_now())
    except (IssuerDown, IssuerLied) as error:
        yield Mistake("oidc.issuer", f"{error}; look at the address and the network, and ask again")
    else:
        yield f"oidc: {provider.issuer} is who it says; whether it knows us shows when somebody signs in"


def _callers(assembly: Assembly) -> Iterator[str]:
    """Say at which address a bank may call us; where the service never ran there is no secret to make one of."""
    secret = assembly.settings.web.secret_file
    if not secret.exists():
        return
    # Late: it is the web part's, and `check` alone needs nothing else of it.
    calls = import_module("support_service.web.bank_calls")
    for bank in calls.callers(assembly):
        yield f"{bank.source}: may call {calls.call_address(assembly.settings, bank)}"


def _method_line(assembly: Assembly, method: PaymentMethod, unwatched: set[str]) -> str:
    shown = "; ".join(row.shown for row in method.rows)
    # A payload of several lines (EPC) stays one line here.
    payload = "QR " + method.qr.text.replace("\r", "\\r").replace("\n", "\\n") if method.qr else "no QR"
    return f"{method.key}\t{method.rail}\t{shown}\t{payload}\t{_listener(assembly, method, unwatched)}"


def _listener(assembly: Assembly, method: PaymentMethod, unwatched: set[str]) -> str:
    networks = list(dict.fromkeys(watch.network for watch in method.watches))
    if method.card is not None:
        return f"heard at {assembly.settings.publisher.base.url}/webhooks/{method.key}, and asked by `watch`"
    if not networks:
        asked = [one.name for one in expected_sources(assembly) if one.method == method.key]
        return f"asked by `watch`: {', '.join(asked)}" if asked else "shown, not watched: booked by staff"
    deaf = [name for name in networks if name in unwatched]
    watched = [name for name in networks if name not in unwatched]
    told = [f"watched on {', '.join(watched)}"] if watched else []
    return "; ".join([*told, *(f"shown, not watched: {_why_deaf(assembly, name)}" for name in deaf)])


def _why_deaf(assembly: Assembly, network: str) -> str:
    table = assembly.settings.networks[network]
    rail = assembly.rails[str(table["rail"])]
    is_asked = bool(rail.sources) and not rail.names_node(table)
    return f"no node set for {network}" if is_asked else f"watching {network} is not built yet for {rail.name}"


def _said(phrase: Phrase) -> str:
    return phrase.text % dict(phrase.values)
