"""The methods of a running service, and which of them may be shown: looked at again and again while it runs.

Where addresses are signed, pages, codes and the widget are read as a reader, a wallet and a phone would read them when
the service starts, and one that holds an address that is not signed is not given. So a template that somebody
changed shows nobody where to send money.
"""

import logging
from dataclasses import replace
from email.message import Message
from importlib import import_module

from support_service.assembly import Assembly
from support_service.door.finished import Captured
from support_service.manifest.proof import ManifestProof, prove

log = logging.getLogger(__name__)

# A changed manifest is seen within this time; the signature is checked in some milliseconds.
LOOK_SECONDS = 60.0
PROBLEMS_TOLD_MAX = 5


class ProvedAddresses:
    """What the settings say, and what of it the signed manifest proves now."""

    def __init__(self, configured: Assembly) -> None:
        self.configured = configured
        self.proof = ManifestProof(())
        self.shown = replace(configured, methods=())
        self._refused: dict[str, str] = {}
        self.look()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as it was signed, one line each: methods that are hidden, answers that are not given."""
        return (*self.proof.problems, *(f"{path}: {why}" for path, why in sorted(self._refused.items())))

    def look(self) -> bool:
        """Prove the methods again; tell whether others are shown than before, or another signature."""
        before, found = self.proof, prove(self.configured.trust, self.configured.methods)
        if found == before:
            return False
        for problem in found.problems:
            log.error("address_unproved", extra={"problem": problem})
        if before.problems and not found.problems:
            log.info("addresses_proved", extra={"methods": len(found.methods)})
        self.proof, self.shown, self._refused = found, replace(self.configured, methods=found.methods), {}
        return True

    def allows(self, path: str, answer: Captured) -> bool:
        """Read an answer before it is kept for readers; without a signature there is nothing to hold it against."""
        signed = self.proof.signed
        # The picture of a shared link shows a name and a line of text, drawn by us from the settings: no address.
        if signed is None or path.startswith("/share/"):
            return True
        # Late: who signs nothing does not pay for the reading of pages and codes.
        answers = import_module("support_service.manifest.answers")
        truth = answers.Truth.of(signed.document)
        problems: list[str] = answers.judge(_mimetype(answer), answer.body, truth).problems
        for problem in problems[:PROBLEMS_TOLD_MAX]:
            log.error("answer_refused", extra={"path": path, "problem": problem})
        if problems:
            self._refused = {**self._refused, path: problems[0]}
        return not problems


def _mimetype(answer: Captured) -> str:
    told = Message()
    told["Content-Type"] = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    return told.get_content_type()
