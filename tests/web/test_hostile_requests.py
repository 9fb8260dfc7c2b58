"""Nothing a stranger sends breaks a page: every route is asked with hostile names, values, headers and bodies.

Bounded and seeded: the same requests on every run, so that what once failed is asked again.
"""

import logging
import random
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from support_service.demo.stripe import StripeFake
from tests.fixtures.cards import CardHouse, card_house
from tests.fixtures.markup import misplaced_tags
from tests.fixtures.staff import FrozenClock, Visitor

NAMES = (
    *(
        "endpoint",
        "_method",
        "_scheme",
        "_anchor",
        "_external",
        "values",
        "self",
        "lang",
        "article",
        "title",
        "next",
        "told",
    ),
    *("before", "below", "since", "until", "state", "rail", "method", "kind", "a[]", "theme", "format", "url"),
    *(
        "maxwidth",
        "maxheight",
        "form",
        "token",
        "amount",
        "exact",
        "choice",
        "frequency",
        "currency",
        "nonce",
        "way",
        "asset",
        "tx",
        "day",
        "hour",
        "q",
        "v",
        "\0",
    ),
    *("class", "code", "line", "gift", "gifts", "rows", "account", "profile", "stands", "back", "was", "known_as"),
    *("date", "payer", "note", "action", "sure", "meant", "ref"),
    *(
        "month",
        "who",
        "email",
        "role",
        "old",
        "password",
        "again",
        "ticket",
        "proof",
        "kept",
        "otp",
        "answer",
        "challenge",
    ),
)
VALUES = (
    *("", "x", "DELETE", "staff.sign_in.login", "javascript", "-1", "0", "9223372036854775807", "9223372036854775808"),
    *("9" * 5000, "٣٤", "１２", "1_000", "1e1000000", "NaN", "\0", "a\0b", "\ud800", "%", "%ff%fe", "../" * 40),
    *("0001-01-01", "9999-12-31", "2026-02-30", "2026-W01-1", "x" * 9000, "'\"><script>", "\u202e", "http://[", "//["),
    *("http://127.0.0.1:8000/support?lang=en", "https://xn--/", "http://" + "a" * 300, "http://x:99999999/", "0" * 24),
)
HEADERS = {
    "Accept-Language": ("uk;q=nan", "," * 500, "x" * 900, "*;q=-1", "\xff"),
    "Accept-Encoding": ("gzip;q=x", "gzip;q=1e999", "br;;;=,", "identity;q=0, *;q=0"),
    "Cookie": (
        "=;=;;",
        "support_staff=\xff\xfe",
        "support_staff_login=" + "a" * 64,
        "support_staff_device=ffffffffff-.",
    ),
    "Content-Type": (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/x; charset=utf-7",
        "\xff/;=",
        "a" * 900,
    ),
    "X-Forwarded-For": ("1.2.3.4:567", "[::1", "unknown, \xff"),
    "X-Forwarded-Host": ("evil.example", "http://["),
    "X-Forwarded-Prefix": ("//evil.example", "/\xff"),
    "Origin": ("null", "http://[", "http://x:99999999", "\xff", "http://127.0.0.1:8000, null"),
    "Sec-Fetch-Site": ("same-origin", "cross-site", "\xff"),
    "If-None-Match": ('"', "W/", "*", '"' * 500),
    "Range": ("bytes=-9999999999999999999999", "bytes=x"),
    "Stripe-Signature": ("t=x,v1=", "t=" + "9" * 400 + ",v1=0", "\xff"),
}
BODIES = (
    b"",
    b"\xff\xfe\x00",
    b"a=%ff%fe&csrf_token=%ed%a0%80&email=%00&password=%00",
    b"[" * 30_000,
    b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-9''%ff\r\n\r\nx",
    b"&".join(b"a[]=1" for _ in range(300)),
    b"x" * 70_000,
)
TYPES = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json; charset=no-such")
TURNS = 8
# A wrong password there ends the session.
ENDS_SESSIONS = {"staff.people.change_password", "staff.proof.prove"}
FORMS_SHARE = 0.7
BROKEN = frozenset(range(500, 600)) - {501, 503}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardHouse]:
    folder, clock = tmp_path_factory.mktemp("hostile"), FrozenClock()
    with StripeFake(clock=clock) as fake:
        built = card_house(folder, f"sqlite:///{folder}/support.db", fake, clock)
        yield built
        built.ledger.dispose()


@pytest.fixture(scope="module")
def visitors(house: CardHouse) -> dict[str, Visitor]:
    people = {role: house.person(role, f"{role}@example.org") for role in ("viewer", "bookkeeper", "admin")}
    return {"stranger": Visitor(house.app.test_client()), **people}


# werkzeug leaves the file of a part that breaks off to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("who", ["stranger", "viewer", "bookkeeper", "admin"])
def test_no_hostile_request_breaks_a_page(
    house: CardHouse, visitors: dict[str, Visitor], who: str, caplog: pytest.LogCaptureFixture
) -> None:
    draw, client = random.Random(who), visitors[who].client
    token = "" if who == "stranger" else token_of(visitors[who])
    with caplog.at_level(logging.ERROR):
        for rule in house.app.url_map.iter_rules():
            for _ in range(TURNS):
                told = ask(client, rule, draw, token)
                assert not caplog.records, (told, caplog.text)
            if who != "stranger" and rule.endpoint in ENDS_SESSIONS and client.get("/staff/me").status_code != 200:
                # What follows is asked by somebody who is signed in, too.
                visitors[who].sign_in(f"{who}@example.org")
                token = token_of(visitors[who])


def token_of(visitor: Visitor) -> str:
    return visitor.form("/staff/", "logout").fields["csrf_token"]


@pytest.mark.parametrize("name", ["endpoint", "_method", "_scheme", "_anchor", "_external", "values"])
def test_a_query_gives_no_orders_to_our_links(visitors: dict[str, Visitor], name: str) -> None:
    plain, ordered = (visitors["stranger"].client.get(path) for path in ("/staff/login", f"/staff/login?{name}=ftp"))
    assert (plain.status_code, ordered.status_code) == (200, 200)
    assert links(ordered.text) == links(plain.text)


def links(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('href="')[1:]]


def ask(client: FlaskClient, rule: Rule, draw: random.Random, token: str) -> str:
    """Send one hostile request and return what it was; fails where the answer is a broken page."""
    chosen = (draw.choice(VALUES)[:300] if piece.startswith("<") else piece for piece in parts(rule))
    path = "".join(chosen)
    names = [draw.choice(NAMES) for _ in range(draw.randrange(5))]
    query = [(name, draw.choice(VALUES).encode("utf-8", "surrogatepass")) for name in names]
    method = draw.choice(sorted(rule.methods or {"GET"}))
    body = draw.choice(BODIES) if method == "POST" else None
    headers = {name: draw.choice(HEADERS[name]) for name in draw.sample(sorted(HEADERS), 3)}
    headers.setdefault("Content-Type", draw.choice(TYPES))
    if body is not None and not rule.endpoint.endswith("logout") and draw.random() < FORMS_SHARE:
        # Past the guard: a form of our own, filled by somebody hostile.
        fields = [(name, draw.choice(VALUES).encode("utf-8", "surrogatepass")) for name in draw.sample(NAMES, 20)]
        body = urlencode([("csrf_token", token.encode()), *fields]).encode()
        headers = {"Content-Type": TYPES[0]}
    safe_path = quote(path.encode("utf-8", "surrogatepass"), safe="/%")
    told = f"{method} {safe_path[:200]} ?{names} {headers} {(body or b'')[:60]!r}"
    answer = client.open(safe_path, method=method, query_string=urlencode(query), headers=headers, data=body)
    try:
        assert answer.status_code not in BROKEN, told
        if answer.status_code == 200 and answer.mimetype == "text/html":
            assert misplaced_tags(answer.text) == [], told
    finally:
        answer.close()
    return told


def parts(rule: Rule) -> list[str]:
    """Split a rule's path: what begins with "<" a stranger may choose."""
    return rule.rule.replace("<", "\n<").replace(">", ">\n").split("\n")
