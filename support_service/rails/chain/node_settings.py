"""The keys of [networks.<name>] that chains share: nodes, quorum, finality, poll interval. Pure.

A node's address may hold a password, so no message here repeats it; mistakes name its position.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from support_service.rails.chain.node_address import read_node_address
from support_service.rails.options import Options

# "finalized", or how many blocks must stand on top where a chain has no finality.
Confirm: TypeAlias = int | Literal["finalized"]

N = TypeVar("N")

POLL_SECONDS_MAX = 3600
CONFIRM_BLOCKS_MAX = 10_000


def node_urls(options: Options, name: str) -> tuple[str, ...]:
    """Take a list of http(s) addresses; each may stand there once, or a quorum would count one node twice.

    A header may follow an address, for servers that want their key there.
    """
    urls = options.texts(name)
    for position, text in enumerate(urls, 1):
        try:
            url = read_node_address(text).url
        except ValueError as error:
            options.reject(name, f"entry {position}: {error}")
            continue
        if _has_foreign_password(url):
            options.reject(name, f"entry {position} has a user or password outside Latin-1, which HTTP cannot send")
        elif not _is_http(url):
            options.reject(name, f"entry {position} must be an http:// or https:// address of a node")
        elif url in [other.split(" ")[0] for other in urls[: position - 1]]:
            options.reject(name, f"entry {position} names the same node again; each must be another one")
    return () if options.has_mistake(name) else urls


def chain_id(options: Options) -> int | None:
    """Take the chain id, which must be there: a node of another chain is refused by it."""
    value = options.number("chain_id")
    if value is None and not options.has_mistake("chain_id"):
        options.reject("chain_id", "is missing; a node that answers with another chain id is refused")
    elif value == 0:
        options.reject("chain_id", "must be 1 or more")
    return value or None


def quorum(options: Options, nodes: tuple[str, ...]) -> int:
    """Take how many nodes must agree: 1 unless set, at most as many as there are."""
    value = options.number("quorum", 1)
    if value is None or value < 1 or (nodes and value > len(nodes)):
        options.reject("quorum", f"must be from 1 to the number of nodes in rpc ({max(1, len(nodes))})")
        return 1
    return value


def confirm(options: Options) -> Confirm:
    """Take when money counts as confirmed: "finalized" unless set, or a whole number of blocks."""
    value = options.anything("confirm")
    if value is None or value == "finalized":
        return "finalized"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= CONFIRM_BLOCKS_MAX:
        return value
    # `safe` is refused by name: nodes give it different meanings, some only one block deep.
    hint = '; "safe" is too early' if value == "safe" else ""
    options.reject("confirm", f'must be "finalized" or a number of blocks from 1 to {CONFIRM_BLOCKS_MAX}{hint}')
    return "finalized"


def poll_seconds(options: Options, default: int) -> int:
    """Take how many seconds to wait between two looks at the chain."""
    value = options.number("poll_seconds", default)
    if value is None or not 1 <= value <= POLL_SECONDS_MAX:
        options.reject("poll_seconds", f"must be from 1 to {POLL_SECONDS_MAX} seconds")
        return default
    return value


def read_network(name: str, table: Mapping[str, object], take: Callable[[str, Options], N | None]) -> N:
    """Read a table that was already checked at start-up; ValueError, naming the mistakes, if it was not."""
    options = Options(f"networks.{name}", table)
    network = take(name, options)
    if network is None:
        raise ValueError("; ".join(f"{mistake.key}: {mistake.reason}" for mistake in options.mistakes))
    return network


def _has_foreign_password(url: str) -> bool:
    """Tell of what Basic authentication cannot encode as our HTTP library does it (RFC 7617, 2.1)."""
    before, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    return bool(at) and any(ord(sign) > 0xFF for sign in unquote(before))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and parts.scheme in {"http", "https"} and not parts.fragment and not any(map(str.isspace, url))
