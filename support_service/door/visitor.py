"""Who asks, and for which of our names: read once from the connection and the one header that settings name. Pure."""

from collections.abc import Sequence
from ipaddress import ip_address

from support_service.origin import BadAddress, Host, read_host

# Spellings of our host that are remembered; there are few.
SPELLINGS_MAX = 64


class OwnHosts:
    """The hosts that we answer to; a name stands for itself at every port, for a proxy may hide its own."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._names = frozenset(host.name for host in hosts)
        self._known: set[str] = set()

    def has(self, fields: Sequence[str], authority: str | None) -> bool:
        """Tell whether a request is for us: one Host field of ours, and no other host in the request line."""
        if len(fields) != 1:
            return False
        return self._is_ours(fields[0]) and (authority is None or self._is_ours(authority))

    def _is_ours(self, text: str) -> bool:
        if text in self._known:
            return True
        try:
            is_ours = read_host(text).name in self._names
        except BadAddress:
            return False
        if is_ours and len(self._known) < SPELLINGS_MAX:
            self._known.add(text)
        return is_ours


def client_address(peer: str, fields: Sequence[str], hops: int) -> str:
    """Tell whose address a request came from: the connection's, or what the outermost of our own proxies saw.

    peer is "address:port"; fields are the values of the header in which proxies name the client, each adding
    one at the end (RFC 7239 calls it a node identifier: with a port and brackets, too). With fewer entries
    than proxies, or what is no address, the connection's own stands.
    """
    own = _address(peer) or peer
    if not hops:
        return own
    entries = ",".join(fields).split(",")
    return (_address(entries[-hops]) if len(entries) >= hops else None) or own


def _address(text: str) -> str | None:
    """Take port, brackets, quotes and zone off an address; None where none is left."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare.partition("%")[0]))
    except ValueError:
        return None
