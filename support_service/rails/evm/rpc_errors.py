"""JSON-RPC errors by what a caller can do about them. Nodes agree on few codes, so texts count too. Pure."""

import re

# Codes: JSON-RPC 2.0 section 5.1, EIP-1474 section "Error codes".
METHOD_NOT_FOUND = -32601
LIMIT_EXCEEDED = -32005


class Refusal(Exception):
    """The node answered one question with an error; nobody here knows a remedy."""

    def __init__(self, method: str, code: int, text: str) -> None:
        # A node's text may quote the request; a few words are enough to recognise the fault.
        super().__init__(f"{method} refused ({code}): {text[:160]}")
        self.method, self.code, self.text = method, code, text


class TooFast(Refusal):
    """Too many questions in a short time: wait and ask again."""


class RangeTooBig(Refusal):
    """Fewer blocks must be asked at once; suggested is the number the node named, if it did."""

    suggested: int | None = None


class NoState(Refusal):
    """The node no longer keeps the state of that block."""


class Behind(Refusal):
    """The node does not know that block (yet): it lags, or the block left the chain."""


class UnreadableItem(Refusal):
    """One answer of a form that nobody can read, again and again; the node answers all else."""


class TokenSilent(Refusal):
    """A token's contract does not tell a balance: it was destroyed or paused, or answers nonsense."""

    def __init__(self, contract: str, method: str, code: int, text: str) -> None:
        super().__init__(method, code, text)
        self.contract = contract


class Unsupported(Refusal):
    """The node does not offer the method."""


_TOO_FAST = re.compile(r"rate.?limit|too many requests|per second|compute units|throughput|request count|quota")
_BEHIND = re.compile(
    r"header not found|unknown block|block not found|blockoutofrange|beyond (?:current )?head|cannot be found|"
    r"greater than (?:the )?latest|invalid block hash|resource not found"
)
_NO_STATE = re.compile(
    r"missing trie node|pruned|historical state|no state|archive|required state|"
    r"state[^.]{0,60}(?:not available|unavailable|not found|missing)"
)
_OUT_OF_RANGE = re.compile(r"block height is (\d{1,18}) but requested was (\d{1,18})")
_TOO_BIG = re.compile(r"range|exceed|limit|more than|too many|too large|response size|timeout|timed out|blocks")
_UNSUPPORTED = re.compile(
    r"method.{0,60}(?:not found|not supported|not available|unavailable|not allowed|not whitelisted|"
    r"does not exist|disabled)|unsupported method|not supported"
)

_SUGGESTED_PAIR = re.compile(r"\[\s*(0x[0-9a-f]{1,16})\s*,\s*(0x[0-9a-f]{1,16})\s*\]")
_SUGGESTED_COUNT = re.compile(
    r"(?:up to an?|limited to(?: an?)?|max(?:imum)?(?: is)?:?|range(?: is)?(?: limited to)?:?|than|of)\s+"
    r"(\d[\d,]{0,8})\s?(k?)\b[\s-]*(?:blocks?|range)"
)


def refusal(method: str, code: int, text: str) -> Refusal:
    """Sort a JSON-RPC error by what its code and text say."""
    low = text.lower()
    kind: type[Refusal] = Refusal
    if code == 429 or _TOO_FAST.search(low):
        kind = TooFast
    elif _NO_STATE.search(low) or _is_of_the_past(low):
        kind = NoState
    elif _BEHIND.search(low):
        kind = Behind
    elif method == "eth_getLogs" and (code == LIMIT_EXCEEDED or _TOO_BIG.search(low)):
        return _too_big(method, code, text)
    elif code == METHOD_NOT_FOUND or _UNSUPPORTED.search(low):
        kind = Unsupported
    elif code == LIMIT_EXCEEDED:
        kind = TooFast
    return kind(method, code, text)


def _is_of_the_past(low: str) -> bool:
    """Tell whether a block "out of range" is one below the head: then it is its state that is gone (anvil)."""
    told = _OUT_OF_RANGE.search(low)
    return told is not None and int(told[2]) <= int(told[1])


def _too_big(method: str, code: int, text: str) -> RangeTooBig:
    error = RangeTooBig(method, code, text)
    error.suggested = suggested_blocks(text)
    return error


def suggested_blocks(text: str) -> int | None:
    """Find the number of blocks that an error text proposes: "[0x10, 0x1f]", "up to a 2K block range"."""
    low = text.lower()
    pair = _SUGGESTED_PAIR.search(low)
    if pair is not None:
        blocks = int(pair[2], 16) - int(pair[1], 16) + 1
        return blocks if blocks > 0 else None
    count = _SUGGESTED_COUNT.search(low)
    if count is None:
        return None
    return int(count[1].replace(",", "")) * (1_000 if count[2] else 1) or None
