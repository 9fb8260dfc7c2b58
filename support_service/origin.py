"""Hosts, origins and base addresses as values: read once at the boundary, compared as values, never as text. Pure.

One name has many spellings: case, Cyrillic letters or their A-label (xn--...), a default port, a dot at
the end. Browsers and CSP speak A-labels alone (RFC 5890; CSP3, 2.3.1), so that is what a value holds.
What cannot be read raises BadAddress: whoever protects something with it fails closed.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote

import idna

# RFC 1035, 2.3.4; a name this long already reaches nobody.
HOST_CHARS_MAX = 253
PORT_MAX = 65_535

_DEFAULT_PORTS = {"http": 80, "https": 443}
# What stands before the first / ? or #, what the path is, what follows it.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)", re.ASCII | re.IGNORECASE
)
_HOST_AND_PORT = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
# Letters, digits and hyphens (RFC 1123, 2.1): CSP's host-source knows no other, and a browser drops a
# whole directive for one it cannot read.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# A name that ends like a number is an IPv4 address to browsers (URL standard, 3.5): 127.1, 0x7f000001.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
# Every character of a path that needs no escaping anywhere (RFC 3986, 2.3), or a letter that is escaped.
_SEGMENT = re.compile(r"(?:[\w.~-])+")


class BadAddress(ValueError):
    """A text that is no host, origin or base address; says why, for people, as "..." in "url ..."."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host and, where one is named, its port. name is lower-case ASCII; an IPv6 address stands in brackets."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine reaches it."""
        return self.name in {"localhost", "[::1]"} or self.name.endswith(".localhost") or _is_loopback_4(self.name)

    @property
    def shown(self) -> str:
        """Write it as people do: новини.укр for xn--b1amarcd.xn--j1amh."""
        name = ".".join(_shown_label(label) for label in self.name.split("."))
        return name if self.port is None else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454); a default port is None."""

    scheme: str
    host: Host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def is_sayable_in_policy(self) -> bool:
        """Tell whether CSP can name it: its host-source knows no IPv6 (CSP3, 2.3.1)."""
        return not self.host.name.startswith("[")


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where a service is reached: an origin and the path that all its addresses begin with.

    prefix is "" or "/donate": percent-encoded, without a slash at the end.
    """

    site: Origin
    prefix: str = ""

    def __str__(self) -> str:
        return self.url

    @property
    def origin(self) -> str:
        """Write "https://host[:port]"."""
        return str(self.site)

    @property
    def url(self) -> str:
        """Write the whole address, without a slash at the end: ours begin with it and a slash."""
        return f"{self.site}{self.prefix}"

    @property
    def shown(self) -> str:
        """Write it as people do, without the scheme."""
        return f"{self.site.host.shown}{unquote(self.prefix)}"

    @property
    def policy_source(self) -> str:
        """Write it for CSP: only a path that ends in a slash stands for what lies below it (CSP3, 6.7.2.12).

        CSP has no words for an IPv6 address; what we send from there can only name itself.
        """
        return f"{self.url}/" if self.site.is_sayable_in_policy else "'self'"

    @property
    def script_name(self) -> str:
        """Write the prefix as WSGI's SCRIPT_NAME holds it: not encoded."""
        return unquote(self.prefix)

    def is_origin_of(self, text: str) -> bool:
        """Tell whether an Origin header names this site; "null" and what cannot be read do not."""
        try:
            return read_origin(text) == self.site
        except BadAddress:
            return False


def read_base_url(text: str) -> BaseUrl:
    """Read "https://Example.com:443/donate/"; raise BadAddress."""
    scheme, host, path, rest = _parts(text)
    if rest:
        raise BadAddress("must end after its path: without ? and #")
    return BaseUrl(_origin(scheme, host), _read_prefix(path))


def read_origin(text: str) -> Origin:
    """Read "https://example.com:8443", a slash at the end allowed; raise BadAddress."""
    scheme, host, path, rest = _parts(text)
    if path.strip("/") or len(path) > 1 or rest:
        raise BadAddress("must end after the host: without a path, ? and #")
    return _origin(scheme, host)


def origin_of(url: str) -> Origin:
    """Tell the origin of a page's whole address; raise BadAddress."""
    return split_origin(url)[0]


def split_origin(url: str) -> tuple[Origin, str]:
    """Split a page's whole address into its origin and what follows it, as it is; raise BadAddress."""
    scheme, host, path, rest = _parts(url)
    return _origin(scheme, host), f"{path}{rest}"


def read_host(text: str) -> Host:
    """Read "example.com", "example.com:8000" or "[::1]:8000", as a Host header has it; raise BadAddress."""
    if "/" in text:
        raise BadAddress("must be a host alone, such as example.com: without a scheme and a path")
    if _is_unclean(text):
        raise BadAddress("holds a space or a sign that no host has")
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        hint = "; an IPv6 address stands in brackets: [::1]" if text.count(":") > 1 else ""
        raise BadAddress(f"must be a host, with a port at most{hint}")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= PORT_MAX:
        raise BadAddress(f"must have a port from 1 to {PORT_MAX}")
    return Host(_read_name(found["name"]), port)


def _parts(text: str) -> tuple[str, str, str, str]:
    if _is_unclean(text):
        raise BadAddress("holds a space or a sign that no address has")
    found = _ADDRESS.fullmatch(text)
    if found is None or found["scheme"].lower() not in _DEFAULT_PORTS:
        raise BadAddress("must begin with https:// (or http://)")
    if "@" in found["host"]:
        raise BadAddress("must not hold a user or password before the host")
    return found["scheme"].lower(), found["host"], found["path"], found["rest"]


def _origin(scheme: str, text: str) -> Origin:
    host = read_host(text)
    return Origin(scheme, Host(host.name, None if host.port == _DEFAULT_PORTS[scheme] else host.port))


def _is_unclean(text: str) -> bool:
    """Tell of what browsers would quietly take away, turn around or escape: spaces, controls, backslashes, quotes."""
    return not text.isprintable() or bool(set(text) & set(' "<>\\^`{|}'))


def _read_name(text: str) -> str:
    if text.startswith("["):
        return _read_ipv6(text[1:-1])
    name = _mapped(text).removesuffix(".")
    labels = name.split(".")
    if not name:
        raise BadAddress("names no host")
    if "*" in name or name.startswith("."):
        raise BadAddress("must name one host; * and a dot in front are not understood")
    if _NUMBER.fullmatch(labels[-1]):
        return _read_ipv4(name)
    name = ".".join(_read_label(label) for label in labels)
    if len(name) > HOST_CHARS_MAX:
        raise BadAddress(f"has a host of more than {HOST_CHARS_MAX} characters")
    return name


def _mapped(text: str) -> str:
    """Fold case, width and the dots of other scripts, as browsers do (UTS 46, 4)."""
    if text.isascii():
        return text.lower()
    try:
        return idna.uts46_remap(text, std3_rules=True)
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress("has a host with a sign that no host has") from error


def _read_label(label: str) -> str:
    try:
        if not label.isascii():
            return idna.alabel(label).decode("ascii")
        is_name = not label.startswith("xn--") or idna.alabel(idna.ulabel(label)) == label.encode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress(f"has a host that cannot be: {label[:63]!r} is no name (IDNA 2008)") from error
    if not is_name or not _LABEL.fullmatch(label):
        raise BadAddress("has a host that cannot be: its parts are 1 to 63 letters, digits and hyphens")
    return label


def _read_ipv4(name: str) -> str:
    try:
        return str(IPv4Address(name))
    except ValueError as error:
        raise BadAddress("has a host that ends in a number and is no IPv4 address") from error


def _read_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise BadAddress("has no IPv6 address in its brackets") from error
    if address.scope_id is not None:
        raise BadAddress("has an IPv6 address with a zone, which means something on one machine alone")
    mapped = address.ipv4_mapped
    # As browsers write it (URL standard, 3.5), on every version of Python.
    written = address.compressed if mapped is None else f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"
    return f"[{written}]"


def _read_prefix(path: str) -> str:
    if not path.strip("/"):
        return ""
    segments = path.removesuffix("/").split("/")[1:]
    read = []
    for segment in segments:
        try:
            plain = unquote(segment, errors="strict")
        except UnicodeDecodeError as error:
            raise BadAddress("has a path that is not UTF-8") from error
        if plain in {".", ".."} or not _SEGMENT.fullmatch(plain):
            raise BadAddress("must have a path of letters, digits, - . _ ~ and single slashes, or none")
        read.append(quote(plain, safe=""))
    return "".join(f"/{segment}" for segment in read)


def _shown_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.ulabel(label)
    except idna.IDNAError:
        return label


def _is_loopback_4(name: str) -> bool:
    try:
        return IPv4Address(name).is_loopback
    except ValueError:
        return False
