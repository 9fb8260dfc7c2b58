"""A strict, stateful stand-in for plata by mono, for the demo and the tests. It never reaches mono.

What it is held by: a closed list of what each request may hold, the API's published statuses and error codes, and
signatures of a key of its own, which it gives as mono does. What it only supposes is told in README.md beside it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support_service.demo.mono.api import MerchantApi
from support_service.demo.mono.hooks import MonoHooks, MonoWebhook
from support_service.demo.mono.merchant import JsonObject, Merchant
from support_service.demo.mono.server import MonoCall, build
from support_service.demo.stripe.faults import CardFaults, CardTrouble
from support_service.demo.stripe.server import Server
from support_service.giving import Clock, utc_now

__all__ = ["TOKEN", "CardTrouble", "JsonObject", "MonoCall", "MonoFake", "MonoWebhook"]

TOKEN = "demo-token-of-plata-000000000000"  # noqa: S105 - open to all: it guards nothing


class MonoFake:
    """The stand-in, running: its address, and everything that readers, banks and time do to it.

    Names count up from `seed`, times come from `clock`. What it pushes gathers in `hooks.messages`; with is_sending it
    is sent to the address that each order names, too. `exchanges` is what was asked of it and answered, in order.
    """

    def __init__(self, *, clock: Clock = utc_now, seed: str = "demo", port: int = 0, is_sending: bool = False) -> None:
        self.faults = CardFaults()
        self.hooks = MonoHooks(is_sending=is_sending)
        self.merchant = Merchant(clock, seed, self.hooks.take)
        self.exchanges: list[MonoCall] = []
        api = MerchantApi(self.merchant, TOKEN, self.hooks)
        self._server = Server(build(api, self.merchant, self.faults, self.exchanges.append), port)
        self.merchant.base = self.url

    @property
    def url(self) -> str:
        """Where it listens: api_base in the settings; its pages lie at <url>/pay/<name>."""
        return f"http://127.0.0.1:{self._server.port}"

    def settings(self, folder: Path, *, currencies: Sequence[str] = ("UAH",)) -> str:
        """Return the [mono] table for a settings file in the folder, and put its token there."""
        file = folder / "mono_token"
        file.touch(mode=0o600)
        file.write_text(f"{TOKEN}\n", encoding="utf-8")
        codes = ", ".join(f'"{code}"' for code in currencies)
        return f'\n[mono]\ntoken_file = "mono_token"\napi_base = "{self.url}"\ncurrencies = [{codes}]\n'

    @property
    def asked(self) -> list[str]:
        """Every path that was asked for, in order."""
        return [one.path for one in self.exchanges]

    @property
    def messages(self) -> list[MonoWebhook]:
        """Everything that was pushed so far, the oldest first."""
        return list(self.hooks.messages)

    def pay(self, page: str) -> str:
        """Pay at a page: an invoice, or the first time of a subscription; return the invoice's name."""
        return self.merchant.pay(page)

    def decline(self, page: str) -> None:
        """Let a card be declined at an invoice's page."""
        self.merchant.decline(page)

    def expire(self, page: str) -> None:
        """Let an invoice's page close unpaid: nobody is told."""
        self.merchant.expire(page)

    def refund(self, invoice: str, units: int, *, is_slow: bool = False) -> None:
        """Give back in mono's own cabinet, without a key of ours."""
        self.merchant.cancel(invoice, units, "", is_slow=is_slow)

    def settle_refunds(self, invoice: str, *, is_ok: bool = True) -> None:
        """Let refunds that are on their way end."""
        self.merchant.settle_cancels(invoice, is_ok=is_ok)

    def renew(self, plan: str, *, is_ok: bool = True) -> str:
        """Let a subscription's next date come; return the invoice's name."""
        return self.merchant.charge(plan, is_ok=is_ok)

    def stop_plan(self, plan: str) -> None:
        """Let the giver stop it in the bank's own app."""
        self.merchant.stop(plan)

    def __enter__(self) -> Self:
        self._server.start()
        self.hooks.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.end()
        self.hooks.stop()
        self._server.stop()


def dropping(names: Callable[[JsonObject], bool]) -> Callable[[MonoWebhook], bool]:
    """Say which messages are lost for good, by what they tell."""
    return lambda message: names(message.told)
