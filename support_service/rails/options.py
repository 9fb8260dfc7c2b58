"""Reads one table of the settings for a rail, collecting every mistake. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from support_service.money import Asset


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong setting: `key` is its dotted path in the settings file, `reason` says what to do."""

    key: str
    reason: str


class BadOption(ValueError):
    """A rail's validator refuses a value; the text is the reason shown to the publisher."""


@dataclass(slots=True)
class Options:
    """Reads one table of the settings, collecting every mistake instead of stopping at the first.

    A rail takes each key it knows, then calls `close`, which names the keys nobody took.
    """

    where: str
    values: Mapping[str, object]
    mistakes: list[Mistake] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        """Take a string; a missing one is the default."""
        return cast("str", self._take(name, str, default))

    def required(self, name: str) -> str:
        """Take a string that must be there; "" (with a mistake noted) if it is not."""
        if name not in self.values:
            self._taken.add(name)
            self.reject(name, "is missing")
            return ""
        value = self.text(name)
        if not value.strip() and not self.has_mistake(name):
            self.reject(name, "is empty")
        return value

    def number(self, name: str, default: int | None = None) -> int | None:
        """Take a whole number that is not negative."""
        value = cast("int | None", self._take(name, int, default))
        if value is not None and value < 0:
            self.reject(name, "must not be negative")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of strings; a missing one is empty."""
        value = cast("list[object] | tuple[object, ...]", self._take(name, list, ()))
        if not all(isinstance(item, str) for item in value):
            self.reject(name, "must be a list of texts")
            return ()
        return tuple(cast("Iterable[str]", value))

    def anything(self, name: str) -> object:
        """Take a value of any type; the caller checks it."""
        self._taken.add(name)
        return self.values.get(name)

    def reject(self, name: str, reason: str) -> None:
        """Note a mistake at one key of this table."""
        self.mistakes.append(Mistake(f"{self.where}.{name}", reason))

    def has_mistake(self, name: str) -> bool:
        """Tell whether this key was already refused."""
        return any(mistake.key == f"{self.where}.{name}" for mistake in self.mistakes)

    def close(self) -> None:
        """Name every key that was never taken."""
        for name in sorted(set(self.values) - self._taken):
            known = ", ".join(sorted(self._taken))
            self.reject(name, f"is not a known setting here; known are: {known}")

    def _take(self, name: str, kind: type, default: object) -> object:
        self._taken.add(name)
        value = self.values.get(name, default)
        if value is default:
            return default
        if isinstance(value, bool) or not isinstance(value, kind):
            self.reject(name, f"must be a {_KIND_NAMES[kind]}")
            return default
        return value


_KIND_NAMES = {str: "text", int: "whole number", list: "list"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a method may need to know beside its own options: the networks' tables and the assets."""

    networks: Mapping[str, Mapping[str, object]]
    assets: tuple[Asset, ...]

    def asset(self, code: str, network: str) -> Asset | None:
        """Find an asset by code and network ("" for national currencies)."""
        return next((a for a in self.assets if a.code == code and a.network == network), None)
