"""`python -m tests.bench.bank_import [--rows 200000]`: how fast and in how much memory a long statement is booked.

A generic CSV and a camt.053 of as many lines, written to a temporary folder, each in a process of its own: read,
proved, identified, classified and taken into a new ledger; then the rows that this made are written once more into
an empty database by bare statements and as many commits, in the same run. Leaves nothing behind.
"""

import argparse
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from support_service.commands.import_ import rare_collections
from support_service.giving import utc_now
from support_service.ledger import FileBrought, Ledger, migrate
from support_service.rails.bank.booking import PASSES_PER_TRANSACTION, LineCounts, import_lines
from support_service.rails.bank.identity import LINES_PER_QUESTION
from support_service.rails.bank.settings import BankChoices
from support_service.rails.bank.statements import StatementFile, WantedStatement, read_statements

ROWS = 200_000
SECONDS_AIM, BYTES_AIM = 60, 200 * 2**20
ACCOUNT = "UA043808050000026009999000303"


def write_csv(path: Path, rows: int) -> None:
    """Write rows as a bank's table has them."""
    with path.open("w", encoding="utf-8") as table:
        table.write("Дата;Сума;Валюта;Контрагент;Рахунок контрагента;Призначення\n")
        for number in range(rows):
            payer = f"Глечик Соломія {number};UA0439999200000262099{number:08}"
            table.write(f"{number % 28 + 1:02}.09.2026;{number % 997 + 1}.50;UAH;{payer};Благодійний внесок {number}\n")


def write_camt(path: Path, rows: int) -> None:
    """Write rows as entries of one statement that closes."""
    total = sum(number % 997 + 1 for number in range(rows))
    balance = (
        '<Bal><Tp><CdOrPrtry><Cd>{}</Cd></CdOrPrtry></Tp><Amt Ccy="UAH">{}.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>'
    )
    with path.open("w", encoding="utf-8") as statement:
        statement.write(
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>1</Id>'
            f"<Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>UAH</Ccy></Acct>"
            f"{balance.format('OPBD', 0)}{balance.format('CLBD', total)}\n"
        )
        for number in range(rows):
            statement.write(
                f'<Ntry><Amt Ccy="UAH">{number % 997 + 1}.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
                f"<BookgDt><Dt>2026-09-{number % 28 + 1:02}</Dt></BookgDt><AcctSvcrRef>RB{number:010}</AcctSvcrRef>"
                "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"
                f"<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RltdPties><Dbtr><Pty>"
                f"<Nm>Глечик Соломія {number}</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>UA0439999200000262099{number:08}"
                f"</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>Благодійний внесок {number}</Ustrd></RmtInf>"
                "</TxDtls></NtryDtls></Ntry>\n"
            )
        statement.write("</Stmt></BkToCstmrStmt></Document>")


# What an import writes, those that others refer to first.
TABLES = (
    "report", "personal_data", "donation", "observation", "posting", "known_line", "line_key", "statement_import",
    "import_line",
)  # fmt: skip
WRITERS = {"csv": write_csv, "camt053": write_camt}


def measure(key: str, path: Path, rows: int) -> None:
    """Read one file and print what it took; exit 1 where an aim is missed."""
    with rare_collections():
        _measure(key, path, rows)


def _measure(key: str, path: Path, rows: int) -> None:
    # One thread, so its processor time is what the machine needs when nobody else is on it.
    began, began_cpu = time.monotonic(), time.process_time()
    url = f"sqlite:///{path.parent}/{key}.db"
    migrate(url)
    read = read_statements(StatementFile(path.name, path), key, WantedStatement(account=ACCOUNT))
    proved = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began, counts = time.monotonic(), LineCounts()
    ledger = Ledger(url)
    importing = ledger.imports.open(FileBrought("bench", "bench", path.name, read.digest))
    for told in import_lines(read.lines, ledger.lines, BankChoices(), now=utc_now(), importing=importing):
        counts.add(told)
    booked, busy = time.monotonic() - began, time.process_time() - began_cpu
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    bare = bare_commits(path.parent / f"{key}.db", rows)
    print(
        f"{key}: {rows} rows, {path.stat().st_size / 2**20:.0f} MB: read and proved in {proved:.1f} s "
        f"({rows / proved:.0f} rows/s, peak {peak / 2**20:.0f} MB), booked in {booked:.1f} s "
        f"({rows / booked:.0f} rows/s, peak {whole / 2**20:.0f} MB), processor time of both {busy:.1f} s; "
        f"a bare commit of the same rows takes {bare:.1f} s ({rows / bare:.0f} rows/s, {booked / bare:.1f} times less)"
    )
    assert counts.new == rows
    sys.exit(busy > SECONDS_AIM or whole > BYTES_AIM)


def bare_commits(books: Path, lines: int) -> float:
    """Write every row of the books into an empty database, by as many commits as the import took; return seconds."""
    copy = books.with_suffix(".bare")
    migrate(f"sqlite:///{copy}")
    source, target = sqlite3.connect(books), sqlite3.connect(copy, isolation_level=None)
    target.execute("PRAGMA synchronous = EXTRA")
    seconds = 0.0
    commits = max(1, lines // (LINES_PER_QUESTION * PASSES_PER_TRANSACTION))
    for table in TABLES:
        rows = source.execute(f"SELECT * FROM {table}").fetchall()
        if not rows:
            continue
        marks, size = ", ".join("?" * len(rows[0])), max(1, len(rows) * len(TABLES) // commits)
        began = time.monotonic()
        for start in range(0, len(rows), size):
            target.execute("BEGIN IMMEDIATE")
            target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[start : start + size])
            target.execute("COMMIT")
        seconds += time.monotonic() - began
    source.close()
    target.close()
    return seconds


def main() -> int:
    """Measure each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows: int = parser.parse_args().rows
    missed = 0
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for key, write in WRITERS.items():
            path = Path(folder) / key
            write(path, rows)
            process = spawn.Process(target=measure, args=(key, path, rows))
            process.start()
            process.join()
            missed += process.exitcode != 0
            path.unlink()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
