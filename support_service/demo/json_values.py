"""What stand-ins say and hear: JSON of any shape, for theirs is the shape of another's API."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
