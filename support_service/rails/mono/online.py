"""Mono asked by hand: whose token this is, and whether the key of its messages can be had."""

from support_service.rails.mono.client import MonoClient
from support_service.rails.mono.settings import own_account
from support_service.rails.mono.signature import BadKey, read_key
from support_service.rails.options import Mistake
from support_service.rails.processor import CheckoutDown, CheckoutRefused
from support_service.rails.rail import RailSettings

_NAME_CHARACTERS_MAX = 100


def ask_merchant(given: RailSettings) -> list[str | Mistake]:
    """Ask whether the token works; nothing to ask without the table."""
    if given.own is None:
        return []
    account = own_account(given)
    client = MonoClient(account.token, account.api_base)
    try:
        told = client.get("/api/merchant/details")
        read_key(client.get("/api/merchant/pubkey").get("key"))
    except (CheckoutDown, CheckoutRefused) as error:
        return [Mistake("mono.token_file", f"{error}; look at the token and the network, and ask again")]
    except BadKey as error:
        return [Mistake("mono.api_base", f"the key of its messages is none: {error}")]
    name = told.get("merchantName")
    shown = name[:_NAME_CHARACTERS_MAX] if isinstance(name, str) and name.isprintable() else "a merchant without a name"
    # The API does not say which tokens are for trying out.
    return [f"mono: the token is that of {shown}; whether it is one for trying out, only the cabinet shows"]
