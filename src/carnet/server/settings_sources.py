"""Where settings come from: a TOML file, ``CARNET_*`` variables and flags, in rising order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from carnet.errors import ConfigurationError
from carnet.server.secret_files import HOW_TO_HIDE, is_exposed
from carnet.server.settings import Settings, check_settings

__all__ = ["SECRETS", "load_settings"]

PREFIX: Final = "CARNET_"
LISTS: Final = (
    "audiences",
    "private_hosts",
    "signing_algorithms",
    "trusted_proxies",
)
# What is a secret, or may hold one, can stand in a file that the variable with _FILE names.
SECRETS: Final = ("database", "master_key", "smtp_password")
# Nobody else may read these files.
PRIVATE: Final = ("master_key",)
MAX_FILE: Final = 64 * 1024

# What Kubernetes sets in every pod for a Service that is named carnet.
_SERVICE_LINK: Final = re.compile(
    r"CARNET_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)"
)


class _Given(NamedTuple):
    """A setting's value, and where it was found.

    Attributes:
        value: as it was written.
        place: such as ``CARNET_PORT``, ``--port`` or ``carnet.toml, line 3``.
    """

    value: Any
    place: str


def load_settings(
    config: Path | None,
    environ: Mapping[str, str],
    given: Mapping[str, Any],
    warn: Callable[[str], None] = lambda _: None,
) -> Settings:
    """Put the settings together: flags win over variables, variables over the file.

    Args:
        config: a TOML file, or None.
        environ: the environment, of which ``CARNET_<SETTING>`` counts; lists are separated by
            commas. ``CARNET_DATABASE_FILE`` names a file that holds the database's URL, and
            ``CARNET_MASTER_KEY_FILE`` one with the master key, ``/dev/fd/3`` also.
        given: settings from flags; None stands for a flag not given.
        warn: is told of a variable that looks like a setting and is none.

    Raises:
        ConfigurationError: naming the setting, where it stands and what was expected.
    """
    found = _from_file(config) if config is not None else {}
    found |= _from_variables(environ, warn)
    for name, value in given.items():
        if value is not None:
            found[name] = _Given(value, f"--{name.replace('_', '-')}")
    values = {name: one.value for name, one in found.items()}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_explain(str(error), found)) from None
    try:
        check_settings(settings)
    except ConfigurationError as error:
        named = re.search(r"the setting (\w+)", str(error))
        raise ConfigurationError(f"{error}{_place(named[1] if named else '', found)}") from None
    return settings


def _from_file(config: Path) -> dict[str, _Given]:
    try:
        text = config.read_text("utf-8")
        values = msgspec.toml.decode(text)
    except OSError as error:
        raise ConfigurationError(f"can't read the settings in {config}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{config} is not a TOML file: {error}") from None
    lines = text.splitlines()
    return {
        name: _Given(value, f"{config.name}, line {_line_of(name, lines)}")
        for name, value in values.items()
    }


def _line_of(name: str, lines: list[str]) -> int:
    """Give the number of the line on which a name of the top level stands, or its table begins."""
    written = re.compile(rf"""\s*\[?["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(lines, 1) if written.match(line)), 1)


def _from_variables(environ: Mapping[str, str], warn: Callable[[str], None]) -> dict[str, _Given]:
    found: dict[str, _Given] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        text, name = environ[variable], variable.removeprefix(PREFIX).lower()
        if _SERVICE_LINK.fullmatch(variable) and (name != "port" or "://" in text):
            if name == "port":
                warn(
                    "CARNET_PORT=tcp://… is what Kubernetes sets for a Service named carnet, and "
                    "is ignored: give the port with --port or in the settings file"
                )
            continue
        if name in Settings.__struct_fields__:
            found[name] = _Given(_items(text) if name in LISTS else text, variable)
        elif name.removesuffix("_file") in SECRETS:
            _check_alone(variable, environ)
            name = name.removesuffix("_file")
            found[name] = _Given(_read_secret(name, Path(text), variable), variable)
        else:
            warn(_unknown(variable))
    return found


def _check_alone(variable: str, environ: Mapping[str, str]) -> None:
    other = variable.removesuffix("_FILE")
    if other in environ:
        raise ConfigurationError(
            f"{other} and {variable} both set the same thing: keep one of them"
        )


def _read_secret(name: str, file: Path, variable: str) -> str:
    """Give the first line of a file."""
    try:
        if name in PRIVATE and is_exposed(file):
            raise ConfigurationError(
                f"other users can read the file {file} that {variable} names; "
                f"{HOW_TO_HIDE.format(file)}"
            )
        with file.open("r", encoding="utf-8") as opened:
            found = opened.readline(MAX_FILE).strip()
    except OSError as error:
        raise ConfigurationError(
            f"can't read the file {file} that {variable} names: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the file {file} that {variable} names is not text") from None
    if not found:
        # As if it were not given, a new master key would be made, and SQLite used.
        raise ConfigurationError(f"the file {file} that {variable} names is empty")
    return found


def _unknown(variable: str) -> str:
    known = [PREFIX + name.upper() for name in Settings.__struct_fields__]
    near = get_close_matches(variable, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"the variable {variable} is not a setting, and is ignored{hint}"


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _explain(problem: str, found: Mapping[str, _Given]) -> str:
    """Turn msgspec's "Expected `int` <= 9 - at `$.port`" into a sentence about the setting."""
    unknown = re.fullmatch(r"Object contains unknown field `(\w+)`", problem)
    if unknown is not None:
        name = unknown[1]
        near = get_close_matches(name, Settings.__struct_fields__, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"there is no setting {name}{_place(name, found)}{hint}"
    expected, _, place = problem.partition(" - at ")
    path = re.search(r"`\$\.([^`]*)`", place)
    if path is None:
        return f"a setting is invalid: {problem}"
    name = re.split(r"[\[.]", path[1])[0]
    expected = f"{expected[:1].lower()}{expected[1:]}"
    inside = path[1].removeprefix(name).replace("[...]", "").lstrip(".")
    where = f" {inside}:" if inside else ""
    return f"the setting {name} is invalid{_place(name, found)}:{where} {expected}"


def _place(name: str, found: Mapping[str, _Given]) -> str:
    return f" ({found[name].place})" if name in found else ""
