"""Statements brought by hand: looked at first, booked by one button, taken back as a whole by another.

The same code as the command `import`; the file waits in the database until a person has looked.
"""

import re
import secrets
from dataclasses import dataclass, field, replace

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from support_service.giving import Phrase
from support_service.ledger import FileBrought, Import
from support_service.ledger.staff import Role
from support_service.rails.bank import BANK
from support_service.rails.bank.balances import tell_balances
from support_service.rails.bank.booking import LineCounts, PreviewLine, import_lines
from support_service.rails.bank.settings import BankChoices, read_account
from support_service.rails.bank.settling import settle
from support_service.rails.bank.statements import (
    FORMATS,
    StatementFile,
    StatementRefused,
    StatementsRead,
    read_statements,
)
from support_service.rails.bank.statements.proof import PROBLEMS_MAX
from support_service.rails.bank.statements.statement import BalanceProof, BankStatement, Problem
from support_service.rails.options import BadOption
from support_service.web import guard
from support_service.web.guard import login_required
from support_service.web.service import service
from support_service.web.staff.entry import form_nonce, new_nonce
from support_service.web.staff.filter import read_number, word
from support_service.web.staff.words import TIERS

blueprint = Blueprint("imports", __name__)

FILE_BYTES_MAX = 20_000_000
# A form's other fields, and what stands between its parts.
UPLOAD_BYTES_MAX = FILE_BYTES_MAX + 64_000
NAME_CHARS_MAX = 200
LINES_SHOWN_MAX = 100
PROBLEMS_SHOWN_MAX = 50

PROOFS = {
    BalanceProof.CLOSES: Phrase("opening and lines make the closing balance"),
    BalanceProof.REVERSALS_TURNED: Phrase("the balances close once reversals are read the other way round"),
    BalanceProof.ABSENT: Phrase("the file names no balances"),
}
TOLD = {
    "booked": Phrase("Booked."),
    "back": Phrase("Taken back: what this file alone told does not count any more. The history keeps it."),
    "again": Phrase("Put back: its lines stand again."),
}
# The last line of the import command, word for word.
_TOLD = re.compile(r"new (?P<new>\d+), known (?P<known>\d+), changed (?P<changed>\d+), refused (?P<refused>\d+)")
_COUNTED = Phrase("new %(new)s, known %(known)s, changed %(changed)s, refused %(refused)s")
NO_FILE = Phrase("Choose a file.")
TOO_LATE = Phrase("This file waited for too long or is booked already: bring it once more.")
NOTHING = Phrase("Nothing was changed")


@dataclass(slots=True)
class Preview:
    """What a file would mean: counts, the first of its lines, and what could not be read."""

    read: StatementsRead
    counts: LineCounts = field(default_factory=LineCounts)
    lines: list[PreviewLine] = field(default_factory=list)

    @property
    def proofs(self) -> list[tuple[BankStatement, Phrase]]:
        """Say of every statement what its balances prove."""
        return [(statement, PROOFS[statement.proof]) for statement in self.read.statements]


@blueprint.get("/imports")
@login_required(Role.BOOKKEEPER)
def overview() -> str:
    """List the files that were brought, under the form for the next one."""
    return _overview()


@blueprint.post("/imports")
@login_required(Role.BOOKKEEPER)
def upload() -> BaseResponse | tuple[str, int]:
    """Read a file; what is a statement waits for a person, what is none is refused by its name."""
    nonce, brought = form_nonce(), request.files.get("file")
    content = brought.read(FILE_BYTES_MAX + 1) if brought is not None else b""
    if not content or brought is None:
        return _overview((Problem(0, "", ""),), NO_FILE), 400
    name = "".join(one for one in (brought.filename or "") if one.isprintable())[:NAME_CHARS_MAX]
    form, profile = word(request.form.get("form", "")), word(request.form.get("profile", ""))
    file = FileBrought(nonce, guard.signed_in().person.source, name, "", form, profile=profile, content=content)
    try:
        file = replace(file, account=_account(request.form.get("account", "")))
        read = _read(file)
    except BadOption as error:
        return _overview((Problem(0, "account", str(error)),)), 400
    except StatementRefused as error:
        return _overview((*error.problems[:PROBLEMS_SHOWN_MAX], Problem(0, "", str(error)))), 400
    number = service().ledger.imports.open(replace(file, digest=read.digest, form=read.format))
    return redirect(url_for("staff.imports.look", number=number), 303)


@blueprint.get("/imports/<number>")
@login_required(Role.BOOKKEEPER)
def look(number: str) -> str:
    """Show what a file would mean, or what it meant."""
    held = _import_or_404(number)
    return render_template(
        "staff/import.html",
        held=held,
        preview=None if held.booked_at or held.file.content is None else _preview(held),
        nonce=new_nonce(),
        told=TOLD.get(request.args.get("told", "")),
        problems_max=PROBLEMS_SHOWN_MAX,
        tiers=TIERS,
    )


@blueprint.app_template_filter()
def import_words(told: str) -> Phrase:
    """Say in words what an import told; the ledger keeps the last line of the command, which programs read."""
    found = _TOLD.fullmatch(told)
    return Phrase(told) if found is None else Phrase(_COUNTED.text, tuple(found.groupdict().items()))


@blueprint.post("/imports/<number>/book")
@login_required(Role.BOOKKEEPER)
def book(number: str) -> BaseResponse | tuple[str, int]:
    """Book the file that was looked at; what was known by then stays as it is."""
    held, at = _import_or_404(number), service()
    form_nonce()
    if held.file.content is None or held.booked_at is not None:
        return _nothing(TOO_LATE)
    read, counts = _read(held.file), LineCounts()
    for told in import_lines(read.lines, at.ledger.lines, _banks(), now=at.clock(), importing=held.number):
        counts.add(told)
    refused = len(read.problems)
    text = f"new {counts.new}, known {counts.known}, changed {counts.changed}, refused {refused}"
    at.ledger.imports.end(held.number, text)
    tell_balances(read.statements, at.ledger.balances)
    settle({statement.account for statement in read.statements}, at.ledger.lines)
    return _to_import(held.number, "booked")


@blueprint.post("/imports/<number>/stand")
@login_required(Role.BOOKKEEPER)
def stand(number: str) -> BaseResponse | tuple[str, int]:
    """Take an import back, or put it back: `stands` says which."""
    nonce, source, at = form_nonce(), guard.signed_in().person.source, service()
    held = _import_or_404(number)
    if request.form.get("stands") == "yes":
        at.ledger.imports.put_back(held.number, source, nonce)
    else:
        at.ledger.imports.take_back(held.number, source, nonce)
    settle(at.ledger.lines.accounts(), at.ledger.lines)
    return _to_import(held.number, "again" if request.form.get("stands") == "yes" else "back")


def _banks() -> BankChoices:
    banks = service().configured.own[BANK.name]
    assert isinstance(banks, BankChoices)
    return banks


def _account(text: str) -> str:
    return read_account(text) if text.strip() else ""


def _read(file: FileBrought) -> StatementsRead:
    assert file.content is not None
    wanted = _banks().wanted(file.account, file.profile)
    return read_statements(StatementFile(file.name, file.content), file.form, wanted)


def _preview(held: Import) -> Preview:
    at = service()
    found = Preview(_read(held.file))
    lines = import_lines(found.read.lines, at.ledger.lines, _banks(), now=at.clock(), is_dry=True)
    for told in lines:
        found.counts.add(told)
        found.lines += told[: LINES_SHOWN_MAX - len(found.lines)]
    return found


def _import_or_404(number: str) -> Import:
    row = read_number(number)
    held = service().books.imports.find(row) if row is not None else None
    if held is None:
        abort(404)
    return held


def _overview(problems: tuple[Problem, ...] = (), message: Phrase | None = None) -> str:
    at = service()
    before = read_number(request.args.get("before", ""))
    banks = _banks()
    return render_template(
        "staff/imports.html",
        imports=at.books.imports.newest(before),
        problems=() if message else problems[:PROBLEMS_MAX],
        message=message,
        formats=FORMATS,
        profiles=sorted(banks.profiles),
        accounts=sorted(banks.world.own_accounts),
        nonce=secrets.token_hex(16),
    )


def _nothing(text: Phrase) -> tuple[str, int]:
    return render_template("staff/notice.html", heading=NOTHING, text=text, command=None), 409


def _to_import(number: int, told: str) -> BaseResponse:
    return redirect(url_for("staff.imports.look", number=number, told=told), 303)
