"""The publisher's own colour: whether it can be read, and its shades for the two themes. Pure (WCAG 2.2, 1.4.3)."""

import re
from dataclasses import dataclass

CONTRAST_MIN = 4.5
# What it stands on: the grounds of the page in both themes, see web/static/support.css.
LIGHT_GROUND, DARK_GROUND = "#f7f5f0", "#1b1e1d"

_HEX = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shades:
    """One theme's accent: the colour, what is written on it, and a tint for grounds."""

    accent: str
    ink: str
    soft: str


def read_accent(text: str) -> str:
    """Return the colour in lower case; ValueError where it is none, or cannot be read on the light page."""
    if not _HEX.fullmatch(text):
        raise ValueError('must be a colour of six digits, such as "#14574a"')
    found = contrast(text, LIGHT_GROUND)
    if found < CONTRAST_MIN:
        raise ValueError(
            f"is too light to be read: its contrast with the page is {found:.1f} to 1, at least {CONTRAST_MIN} are"
            " needed; choose a darker shade"
        )
    return text.lower()


def light_shades(accent: str) -> Shades:
    """Shade the colour for the light theme, where it is dark enough by itself."""
    return Shades(accent, "#ffffff", _mixed(accent, LIGHT_GROUND, 90))


def dark_shades(accent: str) -> Shades:
    """Shade the colour for the dark theme: lightened as far as it must be to be read."""
    lightened = next(
        shade for white in range(101) if contrast(shade := _mixed(accent, "#ffffff", white), DARK_GROUND) >= 7
    )
    return Shades(lightened, "#08130f", _mixed(lightened, DARK_GROUND, 86))


def contrast(one: str, other: str) -> float:
    """Compare two colours by their luminance: 1 is none, 21 is black on white."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    shares = [level / 255 for level in _levels(colour)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: str, other: str, percent: int) -> str:
    levels = zip(_levels(colour), _levels(other), strict=True)
    return "#" + "".join(f"{(a * (100 - percent) + b * percent) // 100:02x}" for a, b in levels)


def _levels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
