"""What is signed: for each method all that money can be sent by, as one JSON text for people and machines. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from support_service.giving import PaymentMethod

FORMAT = "support-service manifest 1"
# A publisher has a handful of methods; one takes about a kilobyte.
DOCUMENT_BYTES_MAX = 1 << 20

Record: TypeAlias = Mapping[str, object]


class BadDocument(ValueError):
    """A signed text is no manifest of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest: whose, of when, and the record of each method by its key."""

    publisher: str
    url: str
    signed_at: datetime
    methods: Mapping[str, Record]


def record(method: PaymentMethod) -> Record:
    """Describe all of a method that money can follow: facts, what is copied, code, link, where cards are paid."""
    return {
        "key": method.key,
        "rail": method.rail,
        "facts": dict(method.facts),
        "copied": [row.copied for row in method.rows],
        "qr": method.qr.text if method.qr else None,
        "link": method.link.href if method.link else None,
        "checkout": list(method.card.checkout_origins) if method.card else [],
    }


def write_document(publisher: str, url: str, methods: Iterable[PaymentMethod], signed_at: datetime) -> bytes:
    """Write a manifest; the same methods at the same moment give the same bytes."""
    told = {
        "format": FORMAT,
        "publisher": publisher,
        "url": url,
        "signed_at": signed_at.isoformat(),
        "methods": [record(method) for method in methods],
    }
    return (json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def read_document(text: bytes) -> Document:
    """Read a manifest; raises BadDocument."""
    try:
        told: dict[str, Any] = json.loads(text)
        if told["format"] != FORMAT:
            raise BadDocument(f"is not a {FORMAT!r}")
        methods = {str(one["key"]): one for one in told["methods"]}
        signed_at = datetime.fromisoformat(told["signed_at"]).astimezone(UTC)
        return Document(str(told["publisher"]), str(told["url"]), signed_at, methods)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, BadDocument):
            raise
        raise BadDocument("is no manifest that `manifest sign` wrote") from error


def differences(method: PaymentMethod, document: Document) -> list[str]:
    """Name what of a method is not as it was signed; [] where all of it is."""
    signed = document.methods.get(method.key)
    if signed is None:
        return [f"{method.key}: is not in the manifest"]
    return compare(method.key, record(method), signed)


def compare(key: str, shown: Record, signed: Record) -> list[str]:
    """Name the parts in which two records of a method differ."""
    found = []
    for part in sorted({*shown, *signed}):
        ours, theirs = shown.get(part), signed.get(part)
        if ours == theirs:
            continue
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            found += [
                _difference(f"{key}: {name}", ours.get(name), theirs.get(name))
                for name in sorted({*ours, *theirs})
                if ours.get(name) != theirs.get(name)
            ]
        else:
            found.append(_difference(f"{key}: {part}", ours, theirs))
    return found


def _difference(where: str, shown: object, signed: object) -> str:
    return f"{where}: {_said(shown)} is not the signed {_said(signed)}"


def _said(value: object) -> str:
    return "nothing" if value in (None, "", []) else json.dumps(value, ensure_ascii=False)[:300]
