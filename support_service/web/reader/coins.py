"""Which coin goes over which network: whoever gives in crypto thinks of the coin first. Pure."""

from collections.abc import Iterable

from support_service.giving import PaymentMethod

# The coins that people ask for first; any other follows in the order of the settings.
_FIRST = ("USDT", "BTC", "ETH")


def coins(methods: Iterable[PaymentMethod]) -> list[str]:
    """Name every coin that some method takes, each once."""
    found = dict.fromkeys(code for method in methods for code in coins_of(method))
    return sorted(found, key=lambda code: _FIRST.index(code) if code in _FIRST else len(_FIRST))


def coins_of(method: PaymentMethod) -> list[str]:
    """Name the coins that may be sent to a method, its own first; none where it is no address on a chain."""
    return [watch.asset.code for watch in method.watches if not watch.is_off_route]
