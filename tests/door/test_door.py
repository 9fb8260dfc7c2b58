"""The door in this process: what fills one kind of request leaves the others alone, and refusals are told."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support_service.app import build_door, create_app
from support_service.door import Door, DoorPlace, Routes, body
from support_service.door.finished import Captured
from support_service.door.live import Live, Patience
from support_service.door.pools import THREADS, WAITING_A_THREAD, PoolKind, kind_of
from support_service.origin import read_base_url
from tests.fixtures.database import prepare
from tests.fixtures.door import Asked, Fields, Heard, ask, loop
from tests.fixtures.site import assembled, reader

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OURS = ("host", "127.0.0.1:8000")


def door_of(folder: Path) -> Door:
    assembly = assembled(folder)
    return build_door(create_app(assembly), assembly)


def post(path: str, **fields: str) -> Asked:
    return Asked("POST", path, "", Fields([OURS, *((name.replace("_", "-"), value) for name, value in fields.items())]))


class Waiting:
    """An app that holds every request to a slow path until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/webhooks/"):
            assert self.go.wait(60)
        start_response("200 OK", [])
        return [b"done"]


def test_what_fills_one_kind_is_refused_there_and_nowhere_else() -> None:
    app, base = Waiting(), read_base_url("http://127.0.0.1:8000")
    door = Door(app, DoorPlace(base, (base.site.host,)), Routes(lambda status, _: Captured(status, [], b"")))
    room = THREADS[PoolKind.WEBHOOKS] * (1 + WAITING_A_THREAD)
    held = [Heard() for _ in range(room)]
    waiting = [
        asyncio.run_coroutine_threadsafe(door.__rsgi__(post("/webhooks/stripe"), heard), loop()) for heard in held
    ]
    assert ask(door, post("/webhooks/stripe")).status == 503
    for path in ("/card", "/staff/entry", "/staff/login"):
        assert ask(door, post(path)).body == b"done"
    app.go.set()
    for one in waiting:
        one.result(60)
    assert {heard.status for heard in held} == {200}
    assert ask(door, post("/webhooks/stripe")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/card", PoolKind.PAGES),
        ("POST", "/card", PoolKind.PAYMENTS),
        ("POST", "/webhooks/stripe", PoolKind.WEBHOOKS),
        ("POST", "/staff/login", PoolKind.LOGINS),
        ("GET", "/staff/login/oidc", PoolKind.PROVIDERS),
        ("GET", "/staff/login/oidc/back", PoolKind.PROVIDERS),
        ("GET", "/staff/", PoolKind.STAFF),
        ("GET", "/staffer", PoolKind.PAGES),
        ("GET", "/staff/exports/donations.csv", PoolKind.EXPORTS),
        ("GET", "/metrics", PoolKind.MACHINES),
        ("POST", "/seen", PoolKind.VIEWS),
    ],
)
def test_a_request_is_of_the_kind_that_its_waiting_is(method: str, path: str, kind: PoolKind) -> None:
    assert kind_of(method, path) is kind


class Endless(Heard):
    """A body of which a first piece comes, and then nothing."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()


def test_a_body_that_never_ends_is_refused_and_takes_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "WEBHOOKS", replace(body.WEBHOOKS, seconds_max=0.05))
    door = door_of(tmp_path)
    for _ in range(2 * sum(THREADS.values())):
        heard = Endless()
        told = post("/webhooks/stripe", content_length="100")
        asyncio.run_coroutine_threadsafe(door.__rsgi__(told, heard), loop()).result(60)
        assert (heard.status, ("connection", "close") in heard.headers) == (408, True)
    assert "надто довго" in heard.body.decode()


@pytest.mark.parametrize(
    ("fields", "sent", "status"),
    [
        ({"content_length": "5"}, b"abc", 400),
        ({"content_length": "x"}, b"abc", 400),
        ({"content_length": "-1"}, b"abc", 400),
        ({"content_length": "64001"}, b"", 413),
        ({"transfer_encoding": "chunked"}, b"abc", 411),
        ({"content_length": "3", "transfer_encoding": "chunked"}, b"abc", 411),
    ],
)
def test_a_body_is_whole_or_refused(tmp_path: Path, fields: dict[str, str], sent: bytes, status: int) -> None:
    heard = ask(door_of(tmp_path), post("/staff/login", **fields), sent)
    assert heard.status == status
    assert {"content-security-policy", "x-content-type-options"} <= {name.lower() for name, _ in heard.headers}


def test_bodies_of_all_together_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "FORMS", replace(body.FORMS, held_max=10))
    door = door_of(tmp_path)
    assert ask(door, post("/staff/login", content_length="11"), b"a" * 11).status == 503
    assert ask(door, post("/staff/login", content_length="10"), b"a" * 10).status != 503


def test_over_https_browsers_are_told_to_stay_with_it(tmp_path: Path) -> None:
    client = reader(tmp_path, {"http://127.0.0.1:8000": "https://give.example.org"})
    for path in ("/support", "/nothing", "/staff/", "/support?a=" + "a" * 20_000):
        answer = client.get(path, base_url="http://give.example.org")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000", path
    assert client.get("/staff", base_url="http://give.example.org").location.startswith(("/", "https://"))
    assert "Strict-Transport-Security" not in reader(tmp_path).get("/support").headers


def test_a_locked_database_leaves_the_last_totals(tmp_path: Path) -> None:
    prepare(f"sqlite:///{tmp_path}/support.db")
    assembly = assembled(tmp_path)
    patient = Patience(new_seconds=0, wait_seconds=0.05, rest_seconds=60)
    door = build_door(create_app(assembly), assembly, patience=patient)
    totals = Asked("GET", "/totals.json", "", Fields([OURS]))
    first = ask(door, totals)
    assert first.status == 200
    line = sqlite3.connect(tmp_path / "support.db", isolation_level=None)
    line.execute("BEGIN EXCLUSIVE")
    again = [ask(door, totals) for _ in range(50)]
    assert {(heard.status, heard.body) for heard in again} == {(200, first.body)}
    assert ask(door, Asked("GET", "/support", "", Fields([OURS]))).status == 200
    line.close()


def test_one_at_a_time_asks_for_what_changes_and_a_silence_is_not_asked_again() -> None:
    asked: list[asyncio.Event] = []

    async def play() -> None:
        async def silent() -> Captured:
            asked.append(asyncio.Event())
            await asked[-1].wait()
            return Captured(200, [], b"late")

        live = Live(silent, Patience(first_seconds=0.01, rest_seconds=60, new_seconds=60))
        assert await asyncio.gather(*(live.answer() for _ in range(20))) == [None] * 20
        assert [await live.answer() for _ in range(20)] == [None] * 20
        assert len(asked) == 1
        asked[0].set()
        while (late := await live.answer()) is None:
            await asyncio.sleep(0)
        assert not isinstance(late, Captured)
        assert late.body == b"late"

    asyncio.run_coroutine_threadsafe(play(), loop()).result(60)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/gift/0", PoolKind.ANSWERS),
        ("POST", "/gift", PoolKind.ANSWERS),
        ("POST", "/arrived", PoolKind.ANSWERS),
        ("GET", "/thanks/0", PoolKind.ANSWERS),
        ("GET", "/donations/0", PoolKind.ANSWERS),
        ("GET", "/plan/0", PoolKind.ANSWERS),
        ("POST", "/plan/0/stop", PoolKind.PAYMENTS),
        ("GET", "/giftwrap", PoolKind.PAGES),
        ("GET", "/card", PoolKind.PAGES),
        ("POST", "/card", PoolKind.PAYMENTS),
    ],
)
def test_who_asks_for_an_answer_waits_for_nobody_elses(method: str, path: str, kind: PoolKind) -> None:
    assert kind_of(method, path) is kind
