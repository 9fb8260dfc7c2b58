"""Reads the parameters of a request: `line_items[0][price_data][currency]=uah` as nested lists and objects.

https://docs.stripe.com/api/metadata and the encoder of stripe-python. All values stay texts here.
"""

import re
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from support_service.demo.stripe.errors import invalid

Form: TypeAlias = Any  # dict of texts, lists and further dicts: what came over the wire

FIELDS_MAX = 500
DEPTH_MAX = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_WHOLE = re.compile(r"-?[0-9]{1,15}")


def decoded(text: str) -> dict[str, Form]:
    """Return the nested parameters of a form body or a query; a key that makes no sense is refused."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise invalid(f"Invalid request: {error}") from error
    root: dict[str, Form] = {}
    for key, value in pairs:
        _put(root, key, value)
    return {name: _with_lists(value, name) for name, value in root.items()}


def _put(root: dict[str, Form], key: str, value: str) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        raise invalid(f"Invalid parameter name: {key}", key, "parameter_unknown")
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > DEPTH_MAX:
        raise invalid(f"Too deeply nested: {key}", key)
    at = root
    for part in path[:-1]:
        at = at.setdefault(_name(at, part), {})
        if not isinstance(at, dict):
            raise invalid(f"Invalid object: {key}", key)
    last = _name(at, path[-1])
    if last in at:
        raise invalid(f"Received the parameter twice: {key}", key)
    at[last] = value


def _name(at: dict[str, Form], part: str) -> str:
    # `expand[]=a&expand[]=b` counts up by itself.
    return part or str(len(at))


def _with_lists(value: Form, at: str) -> Form:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(part, f"{at}[{name}]") for name, part in value.items()}
    if at == "metadata" or at.endswith("[metadata]") or not all(name.isdecimal() for name in inner):
        return inner
    if sorted(map(int, inner)) != list(range(len(inner))):
        raise invalid(f"Invalid array: {at}", at)
    return [inner[name] for name in sorted(inner, key=int)]


def whole(form: dict[str, Form], name: str, default: int | None = None) -> int:
    """Read a whole number; without a default it must be there."""
    text = form.get(name)
    if text is None and default is not None:
        return default
    if text is None:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise invalid(f"Invalid integer: {text}", name, "parameter_invalid_integer")
    return int(text)


def word(form: dict[str, Form], name: str) -> str | None:
    """Read a text; an empty one is none, as Stripe unsets by it."""
    value = form.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid string: {name}", name)
    return value or None


def needed(form: dict[str, Form], name: str) -> str:
    """Read a text that must be there."""
    value = word(form, name)
    if value is None:
        raise invalid(f"Missing required param: {name}.", name, "parameter_missing")
    return value


def chosen(form: dict[str, Form], name: str, choices: tuple[str, ...], default: str | None = None) -> str | None:
    """Read one of the words that are known."""
    value = word(form, name) or default
    if value is not None and value not in choices:
        raise invalid(f"Invalid {name}: must be one of {', '.join(choices[:-1])}, or {choices[-1]}", name)
    return value


def is_true(form: dict[str, Form], name: str) -> bool:
    """Read a yes or no; absent is no."""
    return chosen(form, name, ("true", "false"), "false") == "true"


def parts(form: dict[str, Form], name: str) -> dict[str, Form]:
    """Read an object; absent is an empty one."""
    value = form.get(name)
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise invalid(f"Invalid object: {name}", name)
    return value


def listed(form: dict[str, Form], name: str) -> list[Form]:
    """Read a list; absent is an empty one."""
    value = form.get(name)
    if value in (None, ""):
        return []
    if not isinstance(value, list):
        raise invalid(f"Invalid array: {name}", name)
    return value


def metadata(form: dict[str, Form], inside: str = "") -> dict[str, str]:
    """Read metadata: at most 50 keys of 40 letters, texts of 500 (https://docs.stripe.com/api/metadata)."""
    told = parts(form, "metadata")
    param = f"{inside}[metadata]" if inside else "metadata"
    if len(told) > 50:
        raise invalid("You can set at most 50 metadata keys.", param)
    for key, value in told.items():
        if not isinstance(value, str):
            raise invalid("Metadata values must be strings.", f"{param}[{key}]")
        if len(key) > 40 or len(value) > 500:
            raise invalid("Metadata keys can have up to 40 characters, values up to 500.", f"{param}[{key}]")
    return {key: value for key, value in told.items() if value}
