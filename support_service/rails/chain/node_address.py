"""Where a node is asked, and the header that some servers want their key in. Pure.

"https://host/path", or "https://host/path X-API-KEY: key": the header goes to this node and to no other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}): *([!-~]{1,1000})", re.ASCII)


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node's address; both parts may hold a key and stand in no log."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """Name the node for logs: host and port, nothing that may hold a key."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def read_node_address(text: str) -> NodeAddress:
    """Read an address as the settings have it; ValueError, which repeats nothing of it, where its header is none."""
    url, blank, header = text.strip().partition(" ")
    named = _HEADER.fullmatch(header.strip())
    if blank and named is None:
        raise ValueError("what follows the address must be one header, such as X-API-KEY: key")
    return NodeAddress(url, {named[1]: named[2]} if named else {})
