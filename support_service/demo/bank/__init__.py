"""Stand-ins for two banks on this machine: PrivatBank's Autoclient 3, and monobank's personal and corporate APIs.

Strict: what the real ones refuse (a wrong token, no User-Agent, a span too long, a question too soon) they refuse,
too. Stateful: a payment is on its way, booked, taken back, and every answer follows from that. They know only what
is documented, and what public code relies on; README.md beside this file says what is supposed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from support_service.demo.bank.account import DemoBankAccount, Payment
from support_service.demo.bank.autoclient import PrivatBankFake
from support_service.demo.bank.faults import BankFaults, BankTrouble
from support_service.demo.bank.monobank import Corporate, MonobankFake
from support_service.demo.bank.server import Server, build
from support_service.giving import Clock, utc_now

__all__ = ["BankFakes", "BankTrouble", "DemoBankAccount", "Payment"]

TOKEN = "demo-token-that-guards-nothing"  # noqa: S105


class BankFakes:
    """The stand-ins, running at one address; an account is added by `open`. Times come from `clock`.

    minute_seconds: how long monobank wants to be left alone after a question, by `monotonic`.
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        minute_seconds: float = 60.0,
        monotonic: Callable[[], float] | None = None,
        token: str = TOKEN,
    ) -> None:
        self.accounts: list[DemoBankAccount] = []
        self.faults = BankFaults()
        self.token = token
        self.autoclient = PrivatBankFake(self.accounts, clock)
        self.personal = MonobankFake(self.accounts, clock, minute_seconds, monotonic)
        self.corporate = Corporate(self.accounts)
        self._clock = clock
        self._server = Server(build(self), 0)

    @property
    def url(self) -> str:
        """Where they listen: api_base in the settings."""
        return f"http://127.0.0.1:{self._server.port}"

    def open(self, name: str, *, opening_units: int = 0, currency: str = "UAH") -> DemoBankAccount:
        """Open an account: an IBAN, "card:<masked number>" or "jar:<id>"."""
        account = DemoBankAccount(name, currency, opening_units, self._clock)
        self.accounts.append(account)
        return account

    def settings(self, folder: Path, key: str, kind: str, account: str, **more: str | int) -> str:
        """Return a table of [[banks]] for a settings file in the folder, and put the token there."""
        file = folder / f"{key}.token"
        file.write_text(f"{self.token}\n", encoding="ascii")
        file.chmod(0o600)
        told = {"key": key, "kind": kind, "account": account, "token_file": file.name, "api_base": self.url, **more}
        lines = (f"{name} = {json.dumps(value)}" for name, value in told.items())
        return "\n[[banks]]\n" + "\n".join(lines) + "\n"

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """End."""
        self.faults.end()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
