"""The part of a settings file that leads the service to a stand-in."""

from collections.abc import Sequence
from pathlib import Path

CURRENCIES = ("EUR", "USD", "UAH")


def stripe_table(folder: Path, api_base: str, *, key: str, secret: str, currencies: Sequence[str] = CURRENCIES) -> str:
    """Write the two secrets into the settings file's folder and return the [stripe] table that names them."""
    for name, text in (("stripe.key", key), ("stripe.webhook", secret)):
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(f"{text}\n", encoding="utf-8")
    wanted = ", ".join(f'"{currency}"' for currency in currencies)
    return (
        '\n[stripe]\nsecret_key_file = "stripe.key"\nwebhook_secret_file = "stripe.webhook"\n'
        f'api_base = "{api_base}"\ncurrencies = [{wanted}]\n'
    )
