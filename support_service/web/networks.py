"""From where a request comes, as limits count it: the place, its network, and the wide network around that. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Networks:
    """An address (IPv6: its /64, for who has one address there has all), its network (/24, IPv6: /48) and the wide one.

    The wide network is what an internet provider has: /16, IPv6: /32.
    """

    place: str
    near: str
    wide: str


def networks_of(address: str) -> Networks:
    """Name the networks of an address; what is no address (a socket's path) stands for itself."""
    try:
        place: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return Networks(address, address, address)
    if isinstance(place, IPv6Address):
        if place.ipv4_mapped is None:
            return Networks(f"{int(place) >> 64:x}/64", f"{int(place) >> 80:x}/48", f"{int(place) >> 96:x}/32")
        place = place.ipv4_mapped
    return Networks(str(place), f"{int(place) >> 8:x}/24", f"{int(place) >> 16:x}/16")
