"""The one table of staff pages: what each brings along, and where the menu leads to. README.md says how to add one."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint

from support_service.giving import Phrase
from support_service.ledger.staff import Role
from support_service.web.card.offer import all_cards
from support_service.web.service import service
from support_service.web.staff import (
    articles,
    cards,
    donors,
    entry,
    factors,
    forgotten,
    imports,
    inbox,
    kept,
    lines,
    links,
    messages,
    months,
    oidc,
    passkeys,
    people,
    proof,
    rows,
    sign_in,
    snippets,
)


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A line of the menu: the view it leads to, its words, and whom it is shown to.

    The view asks for that role itself, by `login_required`; a test holds the two together. is_shown is asked at each
    page: where it says no, a page about what is not there would only stand in the way.
    """

    view: str
    words: Phrase
    role: Role
    is_shown: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class StaffPage:
    """A file of staff pages by its blueprint (None: a view of views.py), and its line of the menu, if it has one."""

    blueprint: Blueprint | None
    menu: MenuEntry | None = None

    @property
    def endpoint(self) -> str:
        """Name the view of the menu's line, as url_for takes it."""
        assert self.menu is not None
        return ".".join(["staff", *([self.blueprint.name] if self.blueprint else []), self.menu.view])


def takes_cards() -> bool:
    """Tell whether a processor charges cards here."""
    return bool(all_cards(service()))


# In the order of the menu; what stands in none follows.
PAGES: tuple[StaffPage, ...] = (
    StaffPage(None, MenuEntry("home", Phrase("Home"), Role.VIEWER)),
    StaffPage(None, MenuEntry("donations", Phrase("Donations"), Role.VIEWER)),
    StaffPage(cards.blueprint, MenuEntry("overview", Phrase("Card gifts"), Role.VIEWER, takes_cards)),
    StaffPage(inbox.blueprint, MenuEntry("lines", Phrase("Inbox"), Role.BOOKKEEPER)),
    StaffPage(entry.blueprint, MenuEntry("form", Phrase("Book a gift"), Role.BOOKKEEPER)),
    StaffPage(imports.blueprint, MenuEntry("overview", Phrase("Statements"), Role.BOOKKEEPER)),
    StaffPage(months.blueprint, MenuEntry("this", Phrase("Months"), Role.VIEWER)),
    StaffPage(articles.blueprint, MenuEntry("overview", Phrase("Articles"), Role.VIEWER)),
    StaffPage(None, MenuEntry("exports", Phrase("Exports"), Role.BOOKKEEPER)),
    StaffPage(messages.blueprint, MenuEntry("overview", Phrase("Notifications"), Role.VIEWER)),
    StaffPage(people.blueprint, MenuEntry("overview", Phrase("People"), Role.ADMIN)),
    StaffPage(donors.blueprint, MenuEntry("look", Phrase("Privacy"), Role.ADMIN)),
    StaffPage(None, MenuEntry("health", Phrase("Health"), Role.VIEWER)),
    StaffPage(lines.blueprint),
    StaffPage(links.blueprint),
    StaffPage(rows.blueprint),
    StaffPage(snippets.blueprint),
    StaffPage(kept.blueprint),
    StaffPage(sign_in.blueprint),
    StaffPage(proof.blueprint),
    StaffPage(factors.blueprint),
    StaffPage(passkeys.blueprint),
    StaffPage(oidc.blueprint),
    StaffPage(forgotten.blueprint),
)
