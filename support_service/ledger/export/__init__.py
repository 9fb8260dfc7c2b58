"""The ledger as a file for outsiders. One table says which formats there are; README.md how to add one."""

from support_service.ledger.export import beancount, csv_tables, hledger, json_lines, xlsx
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.rows import Exported, ExportRow, read_exported

__all__ = ["FORMATS", "ExportFormat", "ExportRow", "Exported", "ForPeople", "read_exported"]

FORMATS: tuple[ExportFormat, ...] = (
    xlsx.FORMAT,
    csv_tables.FORMAT,
    csv_tables.FOR_EXCEL,
    json_lines.FORMAT,
    hledger.FORMAT,
    beancount.FORMAT,
)
