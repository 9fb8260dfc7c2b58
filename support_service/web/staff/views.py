"""What staff see: who they are, the donations, one donation's story, health, exports.

Booking by hand is in web/staff/entry.py, under this blueprint's guard. Nothing here edits a row.
"""

import logging
from collections.abc import Iterator
from itertools import chain, islice

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_babel import format_date, format_decimal
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase, Plan
from support_service.ledger import FORMATS, LedgerError, LedgerOutdated
from support_service.ledger.search import ASKED_CHARS_MAX
from support_service.ledger.staff import Role
from support_service.web import guard
from support_service.web.amounts import decimal_sign
from support_service.web.card import guard as card_guard
from support_service.web.card.offer import all_cards
from support_service.web.guard import login_required
from support_service.web.health import not_watched, source_views
from support_service.web.i18n import LANGUAGE_NAMES, chosen_language, say
from support_service.web.service import SAFE_METHODS, service
from support_service.web.spoken import speech
from support_service.web.staff import cards as staff_cards
from support_service.web.staff import entry as staff_entry
from support_service.web.staff import forgotten as staff_forgotten
from support_service.web.staff import home as staff_home
from support_service.web.staff import imports as staff_imports
from support_service.web.staff import kept as staff_kept
from support_service.web.staff import lines as staff_lines
from support_service.web.staff import links as staff_links
from support_service.web.staff import oidc as staff_oidc
from support_service.web.staff import passkeys as staff_passkeys
from support_service.web.staff import proof as staff_proof
from support_service.web.staff.filter import NAMES, Filter, choices, read_filter
from support_service.web.staff.manual_gift import may_withdraw
from support_service.web.staff.month_sums import read_month
from support_service.web.staff.pages import PAGES
from support_service.web.staff.sign_in import FILE_AGAIN, FORM_TOO_OLD, SESSION_ENDED, TYPED_WAITS, login_page
from support_service.web.staff.sums import by_asset, count_on_the_way
from support_service.web.staff.words import FLAG_WORDS, exact, grouped, match_reason, plan_word, rfc3339, tell, word_for

log = logging.getLogger(__name__)

blueprint = Blueprint("staff", __name__, url_prefix="/staff")
for _page in PAGES:
    if _page.blueprint is not None:
        blueprint.register_blueprint(_page.blueprint)

# Forms of people who are not signed in.
LOGINS = {"staff.sign_in.login", "staff.sign_in.give_code", "staff.passkeys.enter"}
WITHOUT_SESSION = {*LOGINS, "staff.people.join", "staff.forgotten.ask", "staff.forgotten.choose"}

PAGE_ROWS = 50
FORMS = {one.name: one for one in FORMATS}
_NAMES = ",".join(f'"{name}"' for name in FORMS)
# What the query of a staff page may hold, and a link to the same page keeps.
KEPT = (*NAMES, "before", "below", "told", "next", "month", "q", "kept")

TOLD = {
    "booked": Phrase("Booked. If it was a mistake, withdraw it below."),
    "already": Phrase("This form was booked before: nothing was booked again."),
    "classed": Phrase("Kept. It can be changed again below; the history keeps every word."),
    "withdrawn": Phrase("Withdrawn. It no longer counts; the history keeps both."),
}


@blueprint.before_request
def check_form() -> None:
    """Refuse unsafe requests that are not from our own forms, before any view runs."""
    if request.endpoint == "staff.imports.upload":
        # A body that large is read for people of ours alone.
        if guard.current_session() is None:
            raise guard.NotSignedIn
        request.max_content_length = staff_imports.UPLOAD_BYTES_MAX
    is_login = request.endpoint in WITHOUT_SESSION
    guard.refuse_forgery(guard.login_token if is_login else guard.form_token)


@blueprint.after_request
def bind_login_form(response: Response) -> Response:
    """Send the cookie that a login form in this answer needs."""
    guard.keep_login_seed(response)
    return response


@blueprint.after_request
def fill_again(response: Response) -> Response:
    """Put what was typed before signing in back into its form."""
    return staff_kept.fill_again(response)


@blueprint.after_app_request
def keep_private(response: Response) -> Response:
    """Let no cache and no search engine keep a staff answer."""
    return guard.keep_private(response)


@blueprint.url_defaults
def keep_language(_endpoint: str, values: dict[str, object]) -> None:
    """Carry a chosen language along every staff link; it is kept nowhere else."""
    if "lang" in request.args:
        values.setdefault("lang", chosen_language())


@blueprint.record_once
def teach_templates(state: BlueprintSetupState) -> None:
    """Give templates the words and the figures of the ledger."""
    state.app.add_template_filter(exact)
    state.app.add_template_filter(format_decimal, "decimal")
    state.app.add_template_filter(grouped_here, "grouped")
    state.app.add_template_filter(method_title)
    state.app.add_template_filter(lambda day: format_date(day, "LLLL y").capitalize(), "month_name")
    state.app.add_template_filter(short_address)
    state.app.add_template_filter(lambda value: say(word_for(value)), "word")
    state.app.add_template_filter(match_reason)
    state.app.add_template_filter(rfc3339)
    state.app.add_template_filter(say_plan, "plan_word")


def grouped_here(units: int, exponent: int) -> str:
    """Write an amount as people write it in the language of the page."""
    return grouped(units, exponent, decimal_sign(chosen_language()))


def method_title(key: str) -> str:
    """Call a method as readers know it; one that is gone from the settings by its key."""
    if "method_titles" not in g:
        g.method_titles = service().configured.for_people(say).titles
    return str(g.method_titles.get(key, key))


def short_address(address: str) -> str:
    """Write the address of an article without what all of them share."""
    return address.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")


def say_plan(plan: Plan) -> str:
    """Say how a plan is; one of a rail that is gone from the settings, too."""
    rail = service().configured.rails.get(plan.rail)
    return say(plan_word(plan.state, rail.plan_words if rail else {}))


@blueprint.context_processor
def about_staff() -> dict[str, object]:
    """Give staff templates the person, the pages open to them, and what forms need."""
    session = guard.known_session()
    person = session.person if session else None
    menu = [(page.endpoint, page.menu) for page in PAGES if page.menu and person and person.role.covers(page.menu.role)]
    return {
        "person": person,
        "can_book": bool(person and person.role.covers(Role.BOOKKEEPER)),
        "pages": [(endpoint, entry.words) for endpoint, entry in menu if entry.is_shown()],
        "form_token": guard.form_token,
        "login_token": guard.login_token,
        "other_languages": _other_languages(),
        "can_mail": staff_forgotten.can_be_asked,
        "passkey_to_sign_in": staff_passkeys.ask_to_sign_in,
        "passkey_to_prove": staff_passkeys.ask_to_prove,
        "provider_name": staff_oidc.provider_name,
        "provider_link": staff_oidc.link,
        "provider_told": staff_oidc.told,
        "provider_since": staff_oidc.bound_since,
        "kept_form": staff_kept.kept_form if person else lambda: None,
    }


@blueprint.get("/")
@login_required(Role.VIEWER)
def home() -> str:
    """Show how the month goes and what needs a person; a list asked for at its old address is shown there."""
    return donations() if any(name in request.args for name in (*NAMES, "before", "q")) else staff_home.page()


@blueprint.get("/donations")
@login_required(Role.VIEWER)
def donations() -> str:
    """List donations, newest first, a page at a time: all, or what a search and a filter find."""
    at, chosen = service(), read_filter(request.args)
    asked = request.args.get("q", "")[:ASKED_CHARS_MAX].strip()
    is_whole = True
    if asked:
        found = at.books.search.find(
            asked, chosen.wanted, before=chosen.before, limit=PAGE_ROWS + 1, with_people=_is_bookkeeper()
        )
        listed, is_whole = found.listed, found.is_whole
    else:
        listed = at.books.donations(chosen.wanted, before=chosen.before, limit=PAGE_ROWS + 1)
    page = listed[:PAGE_ROWS]
    is_filtered = bool(chosen.query or asked or chosen.before)
    return render_template(
        "staff/donations.html",
        asked=asked,
        is_whole=is_whole,
        listed=page,
        older=page[-1].number if len(listed) > PAGE_ROWS else None,
        is_later_page=chosen.before is not None,
        is_filtered=is_filtered,
        query=chosen.query | ({"q": asked} if asked else {}),
        # Sums of everything above a part of it would be taken for its sums.
        sums=None if is_filtered else by_asset(at.books.totals()),
        on_the_way=None if is_filtered else count_on_the_way(at.books),
        chosen=chosen,
        mistakes=chosen.mistakes,
        choices=choices(at.configured),
        is_bookkeeper=_is_bookkeeper(),
    )


@blueprint.get("/donations/<ref>")
@login_required(Role.VIEWER)
def donation(ref: str) -> str:
    """Show what we believe of one donation, and how we came to believe it."""
    history = staff_entry.history_or_404(ref)
    held, is_bookkeeper, at = history.donation, _is_bookkeeper(), service()
    rail = at.configured.rails.get(held.payment.rail)
    return render_template(
        "staff/donation.html",
        history=history,
        donation=held,
        payment=held.payment,
        story=tell(history.observations, held.payment.exponent, decimal_sign(chosen_language())),
        flags=[FLAG_WORDS[flag] for flag in held.payment.flags],
        is_bookkeeper=is_bookkeeper,
        raws=[
            (number, raw)
            for number, facts in sorted(history.sources.items())
            if is_bookkeeper and (raw := staff_lines.own_raw(facts))
        ],
        told=(TOLD | staff_cards.TOLD).get(request.args.get("told", "")),
        can_refund=staff_cards.may_refund(held) and is_bookkeeper,
        can_withdraw=may_withdraw(held) and is_bookkeeper,
        withdrawal_nonce=staff_entry.new_nonce(),
        classes=staff_lines.offered_classes(held) if is_bookkeeper else (),
        around=at.books.inbox.around(ref),
        plan=at.books.plans.of(held.intent) if held.intent else None,
        chosen=at.books.intents.find(held.intent) if held.intent else None,
        siblings=at.books.intents.donations(held.intent) if held.intent else (),
        payment_page=rail.payment_page(at.configured.given(rail.name), held) if rail and rail.payment_page else "",
        match_seen=staff_links.match_seen(held),
        can_split=staff_links.may_split(held) and is_bookkeeper,
    )


@blueprint.get("/health")
@login_required(Role.VIEWER)
def health() -> str:
    """Tell whether the ledger and every source work, and why not."""
    at = service()
    views, noted = source_views(at, at.books), at.books.health()
    return render_template(
        "staff/health.html",
        head=at.books.head(),
        sources=views,
        has_readers=any(view.reader for view in views),
        card_states=[(cards.choice.processor, card_guard.look(at, cards.processor.key)) for cards in all_cards(at)],
        set_aside=at.books.set_aside(),
        reasons={view.name: noted[view.name].reason if view.name in noted else "" for view in views},
        not_watched=not_watched(at),
        by_hand=[method.key for method in at.configured.methods if method.books],
    )


@blueprint.get("/exports")
@login_required(Role.BOOKKEEPER)
def exports() -> str:
    """Offer the ledger as a file."""
    return _exports_page(read_filter(request.args))


@blueprint.get(f"/exports/donations.<any({_NAMES}):form>")
@login_required(Role.BOOKKEEPER)
@staff_proof.proof_required
def download(form: str) -> BaseResponse | tuple[str, int]:
    """Stream the ledger as a file, filtered as asked; a filter that cannot be read is told, not ignored."""
    at, chosen, wanted = service(), read_filter(request.args), FORMS[form]
    if chosen.mistakes:
        return _exports_page(chosen), 400
    # Asked first, for what is begun waits as long as it must: better late than broken off.
    at.books.donations(limit=1)
    # Words of its own, for the page's are gone when the file is still being written.
    people = at.configured.for_people(speech(chosen_language()))
    file = _begun(wanted.write(at.ledger.exported(chosen.wanted), people))
    response = Response(file, mimetype=wanted.media_type)
    # A month's file says when it was made: what comes late changes the ledger's month, and not its books.
    month = request.args.get("month", "")
    of_month = f"{month}-as-of-" if f"{read_month(month, at.today()):%Y-%m}" == month else ""
    name = f"donations-{of_month}{at.today()}.{wanted.suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    at.books.people.note(guard.signed_in().person.email, "export", f"{form} {chosen.query}")
    log.info("staff_export", extra={"form": form})
    return response


def _exports_page(chosen: Filter) -> str:
    offered = choices(service().configured)
    return render_template(
        "staff/exports.html", chosen=chosen, mistakes=chosen.mistakes, choices=offered, formats=FORMATS
    )


@blueprint.errorhandler(guard.NotSignedIn)
def ask_to_sign_in(_error: guard.NotSignedIn) -> BaseResponse | tuple[str, int]:
    """Send readers of a page to the login and back; what a form wanted is not done."""
    if request.method in SAFE_METHODS:
        kept = request.args.get("kept", "")
        path = f"/staff/kept/{kept}" if kept and guard.next_path(f"/staff/kept/{kept}") else request.path
        return redirect(url_for("staff.sign_in.login", next=path), 303)
    if request.endpoint == "staff.imports.upload":
        # A stranger's body that large is not read, and no page can put a file back.
        return login_page(FILE_AGAIN, back="/staff/imports"), 403
    if request.endpoint in {"staff.proof.prove", "staff.passkeys.prove"}:
        # To sign in proves as much.
        return login_page(SESSION_ENDED), 403
    owner = None if request.endpoint == "staff.sign_in.logout" else guard.form_owner()
    kept_at = None if owner is None else staff_kept.keep(owner)
    return login_page(SESSION_ENDED if kept_at is None else TYPED_WAITS, back=kept_at), 403


@blueprint.errorhandler(guard.Forged)
def refuse_form(_error: guard.Forged) -> BaseResponse | tuple[str, int]:
    """Tell that nothing was done, and offer a fresh form; one of this very person, who signed in anew, filled."""
    if request.endpoint in LOGINS:
        return login_page(FORM_TOO_OLD), 403
    session = guard.known_session()
    if (
        session is not None
        and request.endpoint != "staff.sign_in.logout"
        and guard.form_owner() == session.person.email
    ):
        kept = staff_kept.keep(session.person.email)
        if kept is not None:
            return redirect(f"{request.script_root}{kept}", 303)
    heading = Phrase("Nothing was changed")
    text = Phrase("The form was too old, or it did not come from this page. Open it again and send it once more.")
    return render_template("staff/notice.html", heading=heading, text=text, command=None), 403


@blueprint.errorhandler(Forbidden)
def refuse_role(_error: Forbidden) -> tuple[str, int]:
    """Tell that this person's role does not cover the page."""
    heading, text = Phrase("Your role has no access to this page"), Phrase("Ask an admin, if your work needs it.")
    return render_template("staff/notice.html", heading=heading, text=text, command=None), 403


@blueprint.errorhandler(LedgerError)
def tell_ledger_down(error: LedgerError) -> tuple[str, int, dict[str, str]]:
    """Say what to run. The reason goes to the log alone: whoever reads this need not be signed in."""
    log.error("staff_ledger_down", extra={"error": str(error)})
    if isinstance(error, LedgerOutdated):
        text = Phrase("The database is not at this version. Nothing is lost. On the server, run:")
        command = "support-service migrate"
    else:
        text, command = Phrase("The database does not answer. Nothing is lost; please look again in a minute."), None
    heading = Phrase("The ledger cannot be read now")
    page = render_template("staff/notice.html", heading=heading, text=text, command=command)
    return page, 503, {"Retry-After": "30"}


@blueprint.errorhandler(guard.SecretUnusable)
def tell_secret_unusable(error: guard.SecretUnusable) -> tuple[str, int]:
    """Say that the secret file is at fault; where it lies is for the log."""
    log.error("secret_file_unusable", extra={"error": str(error)})
    heading = Phrase("Signing in does not work now")
    text = Phrase("The secret file (web.secret_file in the settings) cannot be used; the server's log says why.")
    return render_template("staff/notice.html", heading=heading, text=text, command=None), 503


def _is_bookkeeper() -> bool:
    """Tell whether this person may book, give back, and see who gave: on the pages as in the exports."""
    return guard.signed_in().person.role.covers(Role.BOOKKEEPER)


def _other_languages() -> list[tuple[str, str, str]]:
    """Link this very page in every language; an answer to a form has no address to go to."""
    languages = service().configured.settings.publisher.languages
    if len(languages) < 2 or request.method not in SAFE_METHODS or request.endpoint is None:
        return []
    # Ours alone: a name from the query such as "_scheme" would be an order to url_for.
    here = {name: request.args[name] for name in KEPT if name in request.args} | (request.view_args or {})
    return [(code, LANGUAGE_NAMES[code], url_for(request.endpoint, **{**here, "lang": code})) for code in languages]


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Take the first bytes at once: a ledger that is down must answer 503, not break off a download."""
    return chain(list(islice(chunks, 1)), chunks)
