"""Options that several rails read alike: a national currency, a network, assets. Pure."""

import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

from support_service.money import Asset
from support_service.origin import BadAddress, read_origin
from support_service.rails.options import BadOption, Options, Surroundings

T = TypeVar("T")


def checked(options: Options, name: str, read: Callable[[str], T]) -> T | None:
    """Take a text that must be there and let `read` check it; its BadOption becomes the mistake."""
    text = options.required(name).strip()
    hidden = next((sign for sign in text if unicodedata.category(sign) in {"Cf", "Cc", "Co", "Cn"}), None)
    if hidden is not None:
        what = unicodedata.name(hidden, "a control character").lower()
        options.reject(name, f"holds a sign that nobody sees ({what}, U+{ord(hidden):04X}); type it again")
        return None
    try:
        return read(text) if text else None
    except BadOption as error:
        options.reject(name, str(error))
        return None


def origin(options: Options, name: str, text: str) -> None:
    """Check one origin that we send readers or secrets to: https, or this machine; its mistake names the text."""
    try:
        site = read_origin(text)
    except BadAddress as error:
        shown = repr(text[:80]) if "@" not in text else "an entry"
        options.reject(name, f"{shown} {error}; it must be an origin such as https://pay.example.com")
        return
    if site.scheme != "https" and not site.host.is_loopback:
        options.reject(name, f"{str(site)!r} is not https")
    elif not site.is_sayable_in_policy:
        options.reject(name, f"{str(site)!r} has an IPv6 address, which browsers do not read in a page's policy")


def checkout_origins(
    options: Options, api_base: str, name: Callable[[str, Iterable[str]], tuple[str, ...]]
) -> tuple[str, ...]:
    """Take `api_base` and `checkout_origins`, and let `name` say where payment pages may lie; () where one is wrong."""
    base, own = options.text("api_base", api_base), options.texts("checkout_origins")
    origin(options, "api_base", base)
    for text in own:
        origin(options, "checkout_origins", text)
    if options.has_mistake("api_base") or options.has_mistake("checkout_origins"):
        return ()
    return name(base, own)


def currency(options: Options, around: Surroundings, *, default: str) -> Asset | None:
    """Take the currency of an account or card; it must be an asset without a network."""
    code = options.text("currency", default).strip()
    asset = around.asset(code, "")
    if not code:
        options.reject("currency", "is missing; name the currency of this account, such as EUR")
    elif asset is None and not options.has_mistake("currency"):
        known = ", ".join(sorted(asset.code for asset in around.assets if not asset.network))
        options.reject("currency", f"{code!r} is not a known national currency; known are {known}")
    return asset


def network(options: Options, around: Surroundings, *, rail: str) -> str | None:
    """Take the network a method lives on; it must be a table of the same rail."""
    name = options.required("network")
    if not name:
        return None
    reason = why_not_network(name, around, rail=rail)
    if reason:
        options.reject("network", reason)
    return None if reason else name


def start_block(options: Options, around: Surroundings, network: str | None) -> int | None:
    """Take the first block whose credits count: the method's own, else its network's, else None."""
    own = options.number("start_block")
    return own if own is not None or network is None else network_start(around, network)


def network_start(around: Surroundings, network: str) -> int | None:
    """Tell a network's own start_block; a wrong one is already a mistake of the network's table."""
    value = around.networks[network].get("start_block")
    return value if isinstance(value, int) else None


def why_not_network(name: str, around: Surroundings, *, rail: str) -> str | None:
    """Say why a name is not a network of this rail; None if it is one."""
    table = around.networks.get(name)
    if table is None:
        known = ", ".join(sorted(around.networks)) or "none"
        return f"{name!r} is not defined; add a table [networks.{name}] (defined: {known})"
    if table.get("rail") != rail:
        return f"{name!r} is a network of rail {table.get('rail')!r}, this method needs one of rail {rail!r}"
    return None


def assets(
    options: Options, around: Surroundings, network: str, *, default: tuple[Asset, ...], contract: Callable[[str], str]
) -> tuple[Asset, ...]:
    """Take the list of accepted assets, first the one the page names; `default` where it is absent.

    contract checks a token's address and raises BadOption.
    """
    codes = options.texts("assets")
    chosen = tuple(around.asset(code, network) for code in codes)
    if options.has_mistake("assets"):
        return ()
    if "assets" not in options.values and not default:
        options.reject("assets", f"is missing, and no asset of network {network!r} is known; add an [[assets]] table")
        return ()
    if "assets" not in options.values:
        chosen = default
    elif not codes:
        options.reject("assets", "is empty; name what this method accepts, or leave the line out")
    for code, asset in zip(codes, chosen, strict=False):
        if asset is None:
            known = ", ".join(asset.code for asset in around.assets if asset.network == network) or "none"
            options.reject("assets", f"{code!r} is not known on {network!r}; add an [[assets]] table (known: {known})")
    found = tuple(asset for asset in chosen if asset is not None)
    _check_contracts(options, found, contract)
    return () if options.has_mistake("assets") else found


def _check_contracts(options: Options, found: tuple[Asset, ...], contract: Callable[[str], str]) -> None:
    # The same code or contract twice would book one transfer twice.
    for position, asset in enumerate(found):
        for other in found[:position]:
            if asset.code == other.code:
                options.reject("assets", f"{asset.code!r} stands there twice")
            elif asset.contract and asset.contract == other.contract:
                options.reject("assets", f"{other.code!r} and {asset.code!r} have the same contract")
        why = why_not_contract(asset, contract)
        if why:
            options.reject("assets", why)


def why_not_contract(asset: Asset, read: Callable[[str], str]) -> str | None:
    """Say why a token's contract address is wrong; None for a right one, and for a chain's own coin."""
    try:
        read(asset.contract) if asset.contract else None
    except BadOption as error:
        return f"the contract of {asset.code} on {asset.network!r} ({asset.contract!r}) {error}"
    return None
