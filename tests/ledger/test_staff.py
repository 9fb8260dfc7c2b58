"""People: who is let in, for how long, and what an attacker learns (nothing)."""

import hashlib
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import create_engine, text, update

from support_service.ledger import Ledger
from support_service.ledger import password_hashes as hashing
from support_service.ledger import staff as people_module
from support_service.ledger.login_limits import ATTEMPTS_MAX, NET_ATTEMPTS_MAX, STRANGERS_SLOWED, Knock
from support_service.ledger.rate_limits import CLEARED_MAX
from support_service.ledger.staff import LoginRefused, PeopleError, Role, TooManyAttempts
from support_service.ledger.tables import staff
from tests.fixtures.database import prepare
from tests.fixtures.staff import ANNA, BOB, PASSWORD, FrozenClock

HERE = Knock("account", "place", "network")
WEAK = (
    *("short", "eleven char", "x" * 1025, "aaaaaaaaaaaa", "123456789012", "380501234567", "abcabcabcabc"),
    *("passwordpassword", "password12345!", "P@ssw0rd1234", "qwertyuiop12", "1q2w3e4r5t6y", "zxcvbnmasdfg"),
    *("йцукенгшщзхї", "парольпароль1", "Слава Україні!1", "12qwerty34qwerty", "anna@example.org", "example.org.1"),
    *("Example Weekly 26", "ExampleWeekly!!!", "a control\tcharacter", "half a \ud800 letter"),
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def people(database_url: str, clock: FrozenClock) -> Iterator[people_module.People]:
    prepare(database_url)
    ledger = Ledger(database_url, clock=clock)
    yield ledger.people
    ledger.dispose()


def test_a_person_is_found_by_address_whatever_its_case(people: people_module.People) -> None:
    added = people.add(" Anna@Example.org ", "viewer", PASSWORD)
    assert (added.email, added.role) == (ANNA, Role.VIEWER)
    assert people.find("ANNA@example.ORG") == added
    assert people.list() == (added,)
    assert people.find(BOB) is None


@pytest.mark.parametrize(
    ("email", "role", "password"),
    [("no address", "viewer", PASSWORD), (ANNA, "owner", PASSWORD), (ANNA, "viewer", "short"), ("a@b\n", "x", "y" * 8)],
)
def test_what_is_no_person_is_refused_with_a_reason(
    people: people_module.People, email: str, role: str, password: str
) -> None:
    with pytest.raises(PeopleError, match=r"\w"):
        people.add(email, role, password)
    assert people.list() == ()


def test_nobody_is_replaced_by_adding_twice(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    with pytest.raises(PeopleError, match="disable and add again"):
        people.add(ANNA, "admin", "another password")
    people.disable(ANNA)
    assert people.add(ANNA, "admin", "another password").role is Role.ADMIN
    assert people.log_in(ANNA, "another password", HERE)


def test_roles_include_each_other() -> None:
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.usefixtures("real_passwords")
def test_passwords_are_argon2id_at_owasp_strength(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    held = _held_hash(database_url)
    parameters = extract_parameters(held)
    assert held.startswith("$argon2id$")
    assert parameters.memory_cost >= 19 * 1024
    assert (parameters.time_cost, parameters.parallelism) == (2, 1)


@pytest.mark.usefixtures("real_passwords")
def test_a_hash_of_older_parameters_is_renewed_at_login(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    _set_hash(database_url, weak)
    people.log_in(ANNA, PASSWORD, HERE)
    assert extract_parameters(_held_hash(database_url)).memory_cost == hashing.HASH_KIB


@pytest.mark.usefixtures("real_passwords")
def test_the_hash_of_nobody_costs_as_much_as_a_real_one(people: people_module.People) -> None:
    """An unknown account must take the same work: the stand-in parses, and has the same parameters."""
    real = PasswordHasher(
        time_cost=hashing.HASH_PASSES,
        memory_cost=hashing.HASH_KIB,
        parallelism=hashing.HASH_LANES,
    ).hash(PASSWORD)
    assert extract_parameters(hashing.HASH_OF_NOBODY) == extract_parameters(real)


def test_the_token_is_random_and_only_its_digest_is_kept(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    first, second = (people.log_in(ANNA, PASSWORD, HERE).token for _ in range(2))
    assert first != second
    assert len(first) >= 43  # 256 bits in base64url
    rows = _column(database_url, "SELECT token_digest FROM staff_session")
    assert set(rows) == {hashlib.sha256(token.encode()).hexdigest() for token in (first, second)}


def use(people: people_module.People, token: str) -> None:
    """Look at a page."""
    session = people.session(token)
    assert session is not None
    people.mark_used(session)


def test_a_session_ends_after_thirty_idle_minutes(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    token = people.log_in(ANNA, PASSWORD, HERE).token
    for _ in range(3):
        clock.advance(minutes=29)
        use(people, token)
    clock.advance(minutes=30)
    assert people.session(token) is None


def test_a_session_ends_after_twelve_hours_however_busy(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    token = people.log_in(ANNA, PASSWORD, HERE).token
    for _ in range(35):
        clock.advance(minutes=20)
        use(people, token)
    clock.advance(minutes=20)
    assert people.session(token) is None


def test_login_ends_the_session_that_the_browser_brought(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    old = people.log_in(ANNA, PASSWORD, HERE).token
    new = people.log_in(ANNA, PASSWORD, HERE, old_token=old).token
    assert people.session(old) is None
    assert people.session(new) is not None


def test_logout_and_disabling_end_sessions(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    one, two = (people.log_in(ANNA, PASSWORD, HERE).token for _ in range(2))
    people.log_out(one)
    assert people.session(one) is None
    assert people.session(two) is not None
    assert people.disable(ANNA).disabled_at is not None
    assert people.session(two) is None
    with pytest.raises(LoginRefused):
        people.log_in(ANNA, PASSWORD, HERE)
    with pytest.raises(PeopleError, match="not known"):
        people.disable(BOB)


def test_five_wrong_guesses_close_the_door_for_a_minute(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            people.log_in(ANNA, "wrong", HERE)
    with pytest.raises(TooManyAttempts):
        people.log_in(ANNA, PASSWORD, HERE)
    clock.advance(seconds=61)
    assert people.log_in(ANNA, PASSWORD, HERE)


def test_the_limit_holds_over_several_workers(database_url: str, clock: FrozenClock) -> None:
    prepare(database_url)
    workers = [Ledger(database_url, clock=clock) for _ in range(3)]
    reached = 0
    for index in range(12):
        try:
            workers[index % 3].people.log_in(BOB, "guess", Knock("account", f"place {index}", f"net {index}"))
        except TooManyAttempts:
            continue
        except LoginRefused:
            reached += 1
    for worker in workers:
        worker.dispose()
    assert reached == 5


def test_a_right_password_uses_up_no_attempt(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    for _ in range(8):
        assert people.log_in(ANNA, PASSWORD, HERE)


def test_old_attempts_and_sessions_leave_the_database(
    people: people_module.People, database_url: str, clock: FrozenClock
) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    people.log_in(ANNA, PASSWORD, HERE)
    with pytest.raises(LoginRefused):
        people.log_in(ANNA, "wrong", HERE)
    clock.advance(hours=13)
    people.log_in(ANNA, PASSWORD, HERE)
    assert _column(database_url, "SELECT id FROM login_attempt") == []
    assert len(_column(database_url, "SELECT token_digest FROM staff_session")) == 1


@pytest.mark.parametrize("weak", WEAK)
def test_a_password_that_anybody_would_try_is_refused(people: people_module.People, weak: str) -> None:
    with pytest.raises(PeopleError, match="password"):
        people.add(ANNA, "viewer", weak, publisher=("Example Weekly", "https://example.org"))
    assert people.list() == ()


@pytest.mark.parametrize(("stored", "typed"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_letter_is_the_same_from_every_keyboard(people: people_module.People, stored: str, typed: str) -> None:
    forms = {form: unicodedata.normalize(form, "мій їжак\u00a0й квітка") for form in ("NFC", "NFD")}
    people.add(ANNA, "viewer", forms[stored])
    assert people.log_in(ANNA, forms[typed].replace("\u00a0", " "), HERE)
    with pytest.raises(LoginRefused):
        people.log_in(ANNA, forms[typed].upper(), HERE)


@pytest.mark.usefixtures("real_passwords")
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_hash_of_unnormalised_text_still_opens_and_is_renewed(
    people: people_module.People, database_url: str, form: Literal["NFC", "NFD"]
) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    text_ = "мій їжак й квітка"
    old = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(unicodedata.normalize("NFD", text_))
    _set_hash(database_url, old)
    assert people.log_in(ANNA, unicodedata.normalize(form, text_), HERE)
    renewed = _held_hash(database_url)
    assert renewed != old
    assert people.log_in(ANNA, text_, HERE)
    assert _held_hash(database_url) == renewed


def test_one_address_written_in_several_ways_is_one_person(people: people_module.People) -> None:
    added = people.add("Олексій@Новини.укр", "viewer", PASSWORD)
    written = (unicodedata.normalize("NFD", "олексій@новини.укр"), " ОЛЕКСІЙ@xn--b1amarcd.xn--j1amh ")
    for one in written:
        found = people.find(one)
        assert found is not None
        assert replace(found, seen_at=None) == added
        assert people.log_in(one, PASSWORD, HERE)
        with pytest.raises(PeopleError, match="there already"):
            people.add(one, "admin", PASSWORD)
    assert len({people_module.address_key(one) for one in written}) == 1


def test_a_known_device_is_never_locked_out_by_strangers(people: people_module.People) -> None:
    people.add(ANNA, "admin", PASSWORD)
    account = people.log_in(ANNA, PASSWORD, HERE).account
    own = Knock("account", "place", "network", lambda held: "own device" if held == account else "")
    for _ in range(2 * ATTEMPTS_MAX):
        with pytest.raises(LoginRefused):
            people.log_in(ANNA, "guess", HERE)
    with pytest.raises(TooManyAttempts):
        people.log_in(ANNA, PASSWORD, HERE)
    assert people.log_in(ANNA, PASSWORD, own)
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(LoginRefused):
            people.log_in(ANNA, "guess", own)
    with pytest.raises(TooManyAttempts):
        people.log_in(ANNA, PASSWORD, own)


def test_a_flood_of_made_up_people_meets_a_cap_and_a_quiet_network_passes(
    people: people_module.People, database_url: str, clock: FrozenClock
) -> None:
    people.add(ANNA, "admin", PASSWORD)
    tried = [_knocks(people, f"nobody{i}@example.org", Knock(f"a{i}", f"p{i}", f"n{i % 20}")) for i in range(90)]
    assert tried.count(LoginRefused) == STRANGERS_SLOWED
    assert tried[STRANGERS_SLOWED:] == [TooManyAttempts] * 30
    assert _knocks(people, ANNA, Knock("account", "other place", "quiet network")) is LoginRefused
    rows = len(_column(database_url, "SELECT id FROM login_attempt"))
    clock.advance(minutes=1)
    assert _knocks(people, BOB, HERE) is LoginRefused
    assert len(_column(database_url, "SELECT id FROM login_attempt")) < rows


def test_one_network_of_many_places_is_held(people: people_module.People) -> None:
    tried = [_knocks(people, f"nobody{i}@example.org", Knock(f"a{i}", f"p{i}", "one")) for i in range(30)]
    assert tried == [LoginRefused] * NET_ATTEMPTS_MAX + [TooManyAttempts] * 10


def test_old_attempts_go_by_an_index_and_a_few_at_a_time(database_url: str, clock: FrozenClock) -> None:
    prepare(database_url)
    ledger = Ledger(database_url, clock=clock)
    for number in range(3):
        ledger.attempts.note_if((), lambda _: [f"bucket {number}"] * (CLEARED_MAX - 50))  # noqa: B023
    clock.advance(hours=13)
    left = []
    for _ in range(4):
        ledger.attempts.note_if((), lambda _: ["new"])
        left.append(len(_column(database_url, "SELECT id FROM login_attempt")))
    assert left == [251, 52, 3, 4]
    ledger.dispose()


def test_hashing_is_done_by_two_threads_and_a_crowd_is_refused_at_once() -> None:
    work, names, refused = hashing.Hashing(), set(), []
    started, go_on = threading.Semaphore(0), threading.Event()

    def slow() -> None:
        names.add(threading.current_thread().name)
        started.release()
        assert go_on.wait(10)

    def knock(room: int) -> None:
        try:
            work._run(slow, room)
        except hashing.TooBusy:
            refused.append(room)

    strangers = [threading.Thread(target=knock, args=(hashing.ROOM_OF_STRANGERS,)) for _ in range(20)]
    for thread in strangers:
        thread.start()
    for _ in range(hashing.HASHES_AT_ONCE):
        assert started.acquire(timeout=10)
    while sum(thread.is_alive() for thread in strangers) > hashing.ROOM_OF_STRANGERS:
        threading.Event().wait(0.01)
    known = threading.Thread(target=knock, args=(hashing.ROOM,))
    known.start()
    go_on.set()
    for thread in [*strangers, known]:
        thread.join(10)
    assert len(refused) == 20 - hashing.ROOM_OF_STRANGERS
    assert hashing.ROOM not in refused
    assert len(names) == hashing.HASHES_AT_ONCE


LOGINS = """
import sys, psutil
from concurrent.futures import ThreadPoolExecutor
from support_service.ledger.password_hashes import HASH_OF_NOBODY, Hashing
work, me = Hashing(), psutil.Process()
count = int(sys.argv[1])
before = me.memory_info().rss
with ThreadPoolExecutor(6) as callers:
    list(callers.map(lambda number: work.check(HASH_OF_NOBODY, str(number)), range(count)))
print((me.memory_info().rss - before) // 2**20)
"""


def test_memory_comes_back_after_many_logins() -> None:
    run = subprocess.run([sys.executable, "-c", LOGINS, "150"], capture_output=True, text=True, check=True)
    assert int(run.stdout) <= 20


def _knocks(people: people_module.People, email: str, knock: Knock) -> type[Exception]:
    with pytest.raises(LoginRefused) as refused:
        people.log_in(email, "guess", knock)
    return refused.type


def _set_hash(database_url: str, password_hash: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as tx:
        tx.execute(update(staff).values(password_hash=password_hash))
    engine.dispose()


def _held_hash(database_url: str) -> str:
    return _column(database_url, "SELECT password_hash FROM staff")[0]


def _column(database_url: str, sql: str) -> list[str]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = [str(value) for value in connection.execute(text(sql)).scalars()]
    engine.dispose()
    return found
