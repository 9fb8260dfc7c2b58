"""What says how to add a staff page holds: the one it adds opens, by one line in the table, as all others do."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module, reload
from pathlib import Path

import pytest
from flask import url_for
from jinja2 import ChoiceLoader, FileSystemLoader

from support_service.giving import Phrase
from support_service.ledger.staff import Role
from support_service.web import staff
from support_service.web.staff import pages, views
from support_service.web.staff.pages import MenuEntry, StaffPage
from tests.fixtures.reports import gift, pushed, refund
from tests.fixtures.staff import House, build_house

README = Path(str(staff.__file__)).with_name("README.md").read_text(encoding="utf-8")
CODE, LINE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(TEMPLATE,) = re.findall(r"```html\n(.*?)```", README, re.DOTALL)
MODULE = f"{staff.__name__}.returned"


@pytest.fixture
def with_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page of README.md: its file in the folder of pages, its line in the table, its template beside others."""
    folder, templates = tmp_path / "staff", tmp_path / "templates"
    (templates / "staff").mkdir(parents=True)
    folder.mkdir()
    (folder / "returned.py").write_text(CODE, encoding="utf-8")
    (templates / "staff" / "returned.html").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.setattr(staff, "__path__", [*staff.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    names = {"StaffPage": StaffPage, "MenuEntry": MenuEntry, "Phrase": Phrase, "Role": Role}
    (page,) = eval(f"({LINE.strip()})", names | {"returned": import_module(MODULE)})
    with monkeypatch.context() as during:
        during.setattr(pages, "PAGES", (*pages.PAGES, page))
        # What an app has taken cannot be added to: the pages are put together as at the start of a process.
        reload(views)
        yield templates
    reload(views)
    sys.modules.pop(MODULE, None)


def opened(folder: Path, url: str, templates: Path | None = None) -> House:
    """Build the app; with a folder of templates beside ours."""
    house = build_house(folder, url, is_migrated=False)
    if templates is not None:
        ours = house.app.jinja_loader
        assert ours is not None
        house.app.jinja_loader = ChoiceLoader([ours, FileSystemLoader(templates)])
    return house


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = opened(tmp_path, sqlite_url)
    yield made
    made.ledger.dispose()


def test_the_page_of_the_readme_stands_in_the_menu_and_behind_its_role(
    tmp_path: Path, sqlite_url: str, with_the_page: Path
) -> None:
    house = opened(tmp_path, sqlite_url, with_the_page)
    given_back = gift("pi_1", units=20_00)
    house.ledger.accept(pushed("g1", given_back))
    house.ledger.accept(pushed("r1", refund("pi_1", units=20_00, rank=(1, 1))))
    bookkeeper, viewer = house.person("bookkeeper"), house.person("viewer", "viewer@example.org")
    assert 'href="/staff/returned' in bookkeeper.get("/staff/health", lang="en").text
    page = bookkeeper.get("/staff/returned", lang="en").text
    assert f"/staff/donations/{given_back.identity.ref}" in page and 'aria-current="page">Given back' in page
    assert "/staff/returned" not in viewer.get("/staff/health", lang="en").text
    assert viewer.get("/staff/returned").status_code == 403
    assert house.visitor().get("/staff/returned").status_code == 303
    house.ledger.dispose()


@pytest.mark.parametrize("role", Role)
def test_the_menu_leads_to_what_its_reader_may_open(house: House, role: Role) -> None:
    visitor = house.person(str(role))
    with house.app.test_request_context():
        entries = [(page.menu, url_for(page.endpoint)) for page in pages.PAGES if page.menu]
        shown = {path for entry, path in entries if entry.is_shown() and role.covers(entry.role)}
    nav = visitor.get("/staff/health").text.partition('class="staff-nav"')[2].partition("</nav>")[0]
    assert set(re.findall(r'href="([^"]+)"', nav)) == shown
    # A page may lead on, as that of months leads to the one that is.
    assert {path for _, path in entries if visitor.get(path).status_code != 403} == {
        path for entry, path in entries if role.covers(entry.role)
    }


def test_every_file_of_pages_stands_in_the_table() -> None:
    files = {path.stem for path in Path(views.__file__).parent.glob("*.py") if "\nblueprint = " in path.read_text()}
    told = {page.blueprint.import_name.rpartition(".")[2] for page in pages.PAGES if page.blueprint}
    assert files == told | {"views"}


def test_the_page_names_what_a_line_of_the_menu_may_say() -> None:
    fields = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert fields == list(MenuEntry.__dataclass_fields__)
