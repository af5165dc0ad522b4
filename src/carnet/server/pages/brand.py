"""The operator's own name, logo and inks on the pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from carnet.errors import ConfigurationError
from carnet.server.settings import Settings

__all__ = ["LOGO", "SHEET", "check_brand", "files"]

SHEET = "brand.css"
LOGO = "brand-logo"
PAPER, NIGHT = "#fbfaf7", "#0f1727"
READABLE = 4.5
MAX_LOGO = 64 * 1024


def files(settings: Settings) -> dict[str, tuple[str, bytes]]:
    """Give what is served for the brand: by its name the kind and the content."""
    return _files(settings.brand_logo, settings.brand_ink_light, settings.brand_ink_dark)


def check_brand(settings: Settings) -> None:
    """Check that the logo can be read and that text in the inks can be.

    Raises:
        ConfigurationError: naming the setting and what was expected.
    """
    for name, ground in (("brand_ink_light", PAPER), ("brand_ink_dark", NIGHT)):
        colour = getattr(settings, name)
        if colour and contrast(colour, ground) < READABLE:
            raise ConfigurationError(
                f"the setting {name} can't be read on {ground}: choose a colour with a contrast of "
                f"{READABLE} or more (WCAG 2.2, 1.4.3)"
            )
    if settings.brand_logo:
        path = Path(settings.brand_logo)
        try:
            size = path.stat().st_size
            path.open("rb").close()
        except OSError as error:
            raise ConfigurationError(
                f"the setting brand_logo names a file that can't be read: {error.strerror}"
            ) from None
        if path.suffix not in (".svg", ".png") or size > MAX_LOGO:
            raise ConfigurationError(
                f"the setting brand_logo names an .svg or .png file of at most {MAX_LOGO} bytes"
            )


@cache
def _files(logo: str, light: str, dark: str) -> dict[str, tuple[str, bytes]]:
    made: dict[str, tuple[str, bytes]] = {}
    if logo:
        path = Path(logo)
        made[LOGO] = (path.suffix, path.read_bytes())
    if light or dark:
        rules = ""
        if light:
            rules += f":root{{--ink:{light};--on-ink:{_on(light)}}}"
        # The other theme's own ink must not be lost where only one colour is given.
        night = dark or "#a9c1ff"
        rules += (
            f"@media(prefers-color-scheme:dark){{:root{{--ink:{night};--on-ink:{_on(night)}}}}}"
        )
        made[SHEET] = (".css", rules.encode())
    return made


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _on(colour: str) -> str:
    return max("#ffffff", NIGHT, key=lambda text: contrast(colour, text))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
