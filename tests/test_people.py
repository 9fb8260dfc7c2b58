"""People: who is let in, for how long, and what an attacker learns (nothing)."""

import hashlib
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import create_engine, text, update

from support_service.ledger import Ledger, migrate
from support_service.ledger import people as people_module
from support_service.ledger.people import LoginRefused, PeopleError, Role, TooManyAttempts
from support_service.ledger.tables import staff
from tests.fixtures.staff import ANNA, BOB, PASSWORD, FrozenClock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def people(database_url: str, clock: FrozenClock) -> Iterator[people_module.People]:
    migrate(database_url)
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
    assert people.log_in(ANNA, "another password", buckets=["a"])


def test_roles_include_each_other() -> None:
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_passwords_are_argon2id_at_owasp_strength(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    held = _held_hash(database_url)
    parameters = extract_parameters(held)
    assert held.startswith("$argon2id$")
    assert parameters.memory_cost >= 19 * 1024
    assert (parameters.time_cost, parameters.parallelism) == (2, 1)


def test_a_hash_of_older_parameters_is_renewed_at_login(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    engine = create_engine(database_url)
    with engine.begin() as tx:
        tx.execute(update(staff).values(password_hash=weak))
    engine.dispose()
    people.log_in(ANNA, PASSWORD, buckets=["a"])
    assert extract_parameters(_held_hash(database_url)).memory_cost == people_module.HASH_KIB


def test_the_hash_of_nobody_costs_as_much_as_a_real_one(people: people_module.People) -> None:
    """An unknown account must take the same work: the stand-in parses, and has the same parameters."""
    real = PasswordHasher(
        time_cost=people_module.HASH_PASSES,
        memory_cost=people_module.HASH_KIB,
        parallelism=people_module.HASH_LANES,
    ).hash(PASSWORD)
    assert extract_parameters(people_module.HASH_OF_NOBODY) == extract_parameters(real)


def test_the_token_is_random_and_only_its_digest_is_kept(people: people_module.People, database_url: str) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    first, second = (people.log_in(ANNA, PASSWORD, buckets=["a"]) for _ in range(2))
    assert first != second
    assert len(first) >= 43  # 256 bits in base64url
    rows = _column(database_url, "SELECT token_digest FROM staff_session")
    assert set(rows) == {hashlib.sha256(token.encode()).hexdigest() for token in (first, second)}


def test_a_session_ends_after_thirty_idle_minutes(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    token = people.log_in(ANNA, PASSWORD, buckets=["a"])
    for _ in range(3):
        clock.advance(minutes=29)
        assert people.session(token) is not None
    clock.advance(minutes=30)
    assert people.session(token) is None


def test_a_session_ends_after_twelve_hours_however_busy(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    token = people.log_in(ANNA, PASSWORD, buckets=["a"])
    for _ in range(35):
        clock.advance(minutes=20)
        assert people.session(token) is not None
    clock.advance(minutes=20)
    assert people.session(token) is None


def test_login_ends_the_session_that_the_browser_brought(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    old = people.log_in(ANNA, PASSWORD, buckets=["a"])
    new = people.log_in(ANNA, PASSWORD, buckets=["a"], old_token=old)
    assert people.session(old) is None
    assert people.session(new) is not None


def test_logout_and_disabling_end_sessions(people: people_module.People) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    one, two = (people.log_in(ANNA, PASSWORD, buckets=["a"]) for _ in range(2))
    people.log_out(one)
    assert people.session(one) is None
    assert people.session(two) is not None
    assert people.disable(ANNA).disabled_at is not None
    assert people.session(two) is None
    with pytest.raises(LoginRefused):
        people.log_in(ANNA, PASSWORD, buckets=["a"])
    with pytest.raises(PeopleError, match="not known"):
        people.disable(BOB)


def test_five_wrong_guesses_close_the_door_for_a_minute(people: people_module.People, clock: FrozenClock) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            people.log_in(ANNA, "wrong", buckets=["account"])
    with pytest.raises(TooManyAttempts):
        people.log_in(ANNA, PASSWORD, buckets=["account"])
    clock.advance(seconds=61)
    assert people.log_in(ANNA, PASSWORD, buckets=["account"])


def test_the_limit_holds_over_several_workers(database_url: str, clock: FrozenClock) -> None:
    migrate(database_url)
    workers = [Ledger(database_url, clock=clock) for _ in range(3)]
    reached = 0
    for index in range(12):
        try:
            workers[index % 3].people.log_in(BOB, "guess", buckets=["account", f"place {index}"])
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
        assert people.log_in(ANNA, PASSWORD, buckets=["account", "place"])


def test_old_attempts_and_sessions_leave_the_database(
    people: people_module.People, database_url: str, clock: FrozenClock
) -> None:
    people.add(ANNA, "viewer", PASSWORD)
    people.log_in(ANNA, PASSWORD, buckets=["account"])
    with pytest.raises(LoginRefused):
        people.log_in(ANNA, "wrong", buckets=["account"])
    clock.advance(hours=13)
    people.log_in(ANNA, PASSWORD, buckets=["account"])
    assert _column(database_url, "SELECT id FROM login_attempt") == []
    assert len(_column(database_url, "SELECT token_digest FROM staff_session")) == 1


def _held_hash(database_url: str) -> str:
    return _column(database_url, "SELECT password_hash FROM staff")[0]


def _column(database_url: str, sql: str) -> list[str]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = [str(value) for value in connection.execute(text(sql)).scalars()]
    engine.dispose()
    return found
