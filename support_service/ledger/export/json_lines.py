"""JSON Lines: one object a line, every field as it is."""

import json
from collections.abc import Iterable, Iterator

from support_service.giving import Phrase
from support_service.ledger.export.format import ExportFormat, ForPeople
from support_service.ledger.export.rows import Exported

# JSON leaves these as they are, but many readers take them for the end of a line.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_JSON = json.JSONEncoder(ensure_ascii=False)


def write(exported: Iterable[Exported], _for: ForPeople) -> Iterator[bytes]:
    """Write each row as one line of UTF-8, without a byte order mark."""
    for one in exported:
        line = _JSON.encode(one.row)
        # Asked one by one: far quicker than any search for one of them.
        if "\x85" in line or "\u2028" in line or "\u2029" in line:
            line = line.translate(_LINE_ENDS)
        yield f"{line}\n".encode()


FORMAT = ExportFormat("jsonl", Phrase("Download JSON lines"), "jsonl", "application/x-ndjson", write)
