"""What a client says it takes, read by the grammar of RFC 9110. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache

# In the order in which we would rather send them.
CODINGS = ("br", "gzip")
# RFC 9110, section 8.4.1.3: a recipient takes x-gzip for gzip.
_ALIASES = {"x-gzip": "gzip"}

_NAME = r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*"
_WEIGHT = r"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
_MEMBER = re.compile(_NAME + _WEIGHT, re.ASCII)
_ETAG = re.compile(r'[ \t]*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*')


@lru_cache(256)
def coding(accepted: str) -> str:
    """Choose the content coding for an Accept-Encoding field: "br", "gzip", or "" for none (section 12.5.3).

    A member that is not written by the grammar, a weight of 0 and a coding that is not named all mean no.
    """
    weights: dict[str, float] = {}
    for member in accepted.split(","):
        found = _MEMBER.fullmatch(member)
        if found:
            name = found[1].lower()
            weights.setdefault(_ALIASES.get(name, name), float(found[2] or 1))
    rest = weights.get("*", 0.0)
    offered = {name: weights.get(name, rest) for name in CODINGS}
    best = max(CODINGS, key=lambda name: offered[name])
    # Plain bytes are as good as any where nothing is said of them, and better only where a client says so.
    return best if offered[best] > 0 and offered[best] >= weights.get("identity", 0.0) else ""


def holds(none_match: Sequence[str], tag: str) -> bool:
    """Tell whether If-None-Match fields name an entity tag, compared weakly (section 13.1.2); tag is without quotes."""
    if not none_match:
        return False
    text = ",".join(none_match)
    if text.strip() == "*":
        return True
    at = 0
    while found := _ETAG.match(text, at):
        if found[1] == tag:
            return True
        if not text.startswith(",", found.end()):
            break
        at = found.end() + 1
    return False
