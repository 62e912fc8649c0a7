"""Options that are flags, environment variables and lines of a TOML file alike.

A group of options is a frozen dataclass whose fields are each an :func:`option`. The groups are the
fields of another dataclass, each a :func:`group`. The field is the one place where an option is
defined: its name, its type, its default, its kind and its help.
"""

import argparse
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar

from audio_model.errors import UsageError, printable
from audio_model.gateway.config import values
from audio_model.gateway.config.values import Secret, ValueKind

T = TypeVar("T")

_HELP_WIDTH = 90
_KEY = "option"
"""Key in a field's metadata under which its option or its group is described."""


def option(default: object, kind: ValueKind, help: str) -> Any:
    """Declare a field of a group as an option. Its default is MISSING if it must be given."""
    return field(default=default, metadata={_KEY: (kind, help)})


def group(make: type[T], title: str, prefix: str = "") -> T:
    """Declare a field as a group of options.

    Args:
        make: the group's dataclass.
        title: its heading in the help.
        prefix: what the names of its options begin with.
    """
    return field(default_factory=make, metadata={_KEY: (make, title, prefix)})


@dataclass(frozen=True)
class Option:
    """An option: its name, its default, its kind, its help text."""

    name: str
    """The name in the TOML file: ``max_legs``."""
    field: str
    """The field of its group's dataclass."""
    default: object
    kind: ValueKind
    help: str

    @property
    def flag(self) -> str:
        """Return the option's flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Return whether the option is a switch."""
        return self.kind is values.switch

    @property
    def is_secret(self) -> bool:
        """Return whether the option is a secret."""
        return self.kind is values.secret_file


@dataclass(frozen=True)
class Group:
    """Options that belong together."""

    field: str
    """The field of the dataclass of groups."""
    title: str
    description: str
    make: type[Any]
    options: tuple[Option, ...]


def groups(settings: type[Any]) -> Iterator[Group]:
    """Yield the groups of a dataclass of groups, in order."""
    for each in fields(settings):
        make, title, prefix = each.metadata[_KEY]
        description = fill(" ".join((make.__doc__ or "").split()), _HELP_WIDTH)
        yield Group(each.name, title, description, make, tuple(_options(make, prefix)))


def _options(make: type[Any], prefix: str = "") -> Iterator[Option]:
    for each in fields(make):
        if _KEY in each.metadata:
            kind, help = each.metadata[_KEY]
            name = prefix + each.name + ("_file" if kind is values.secret_file else "")
            yield Option(name, each.name, each.default, kind, help)


def add_arguments(parser: argparse.ArgumentParser, settings: type[Any]) -> None:
    """Add a flag for each option. Values stay text: :func:`load` reads them."""
    for each in groups(settings):
        arguments = parser.add_argument_group(each.title, each.description)
        for one in each.options:
            shown = _shown(one.default)
            text = one.help if shown is None else f"{one.help} (default: {shown})"
            text = text.replace("%", "%%")
            if one.is_switch:
                arguments.add_argument(
                    one.flag, action=argparse.BooleanOptionalAction, default=None, help=text
                )
            else:
                arguments.add_argument(one.flag, metavar=one.kind.metavar, default=None, help=text)


def load(
    settings: type[T],
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    *,
    prefix: str,
    config: Path | None,
) -> T:
    """Read the settings: flags go before environment, before the TOML file, before defaults.

    Args:
        settings: the dataclass of groups.
        arguments: the parsed flags of :func:`add_arguments`.
        environ: the environment; a variable that is set but empty counts as not set.
        prefix: the prefix of the variables' names.
        config: the TOML file.

    Raises UsageError, which names the option and where it was given. A variable with the prefix, or
    a line of the file, that is no option raises it as well.
    """
    lines = {} if config is None else read_toml(config, "--config")
    known = {one.name for each in groups(settings) for one in each.options}
    for key in lines:
        if key not in known:
            raise UsageError(f"{_file(config)}: there is no option {key!r}{_nearest(key, known)}")
    _check_variables(environ, prefix, known | {"config"})
    made: dict[str, Any] = {}
    for each in groups(settings):
        chosen: dict[str, Any] = {}
        for one in each.options:
            given = _given(one, arguments, environ, prefix, lines, config)
            if given is None:
                continue
            origin, text = given
            try:
                chosen[one.field] = one.kind(text)
            except ValueError as error:
                raise UsageError(f"{origin}: {error}") from error
        made[each.field] = each.make(**chosen)
    return settings(**made)


def read_table(make: type[Any], lines: Mapping[str, object], where: str) -> dict[str, Any]:
    """Read the fields of a dataclass that are options from a table of a TOML file.

    Raises UsageError for a line that is no option, a value that is none, or a line that is missing
    and has no default. ``where`` names the file and the table.
    """
    known = {one.name: one for one in _options(make)}
    for key in lines:
        if key not in known:
            raise UsageError(f"{where}: there is no option {key!r}{_nearest(key, set(known))}")
    chosen: dict[str, Any] = {}
    for key, one in known.items():
        if key in lines:
            origin = f"{where}: {key}"
            try:
                chosen[one.field] = one.kind(_toml_text(origin, one, lines[key]))
            except ValueError as error:
                raise UsageError(f"{origin}: {error}") from error
        elif one.default is MISSING:
            raise UsageError(f"{where}: {key} is missing")
    return chosen


def _check_variables(environ: Mapping[str, str], prefix: str, known: set[str]) -> None:
    """Refuse variables that nobody reads: a token whose name is misspelt guards nothing.

    Raises UsageError, which names the variable.
    """
    known = known | {name.removesuffix("_file") for name in known}
    upper = {name.upper() for name in known}
    for variable, value in environ.items():
        name = variable.removeprefix(prefix)
        if name != variable and value and name not in upper:
            near = _nearest(name.lower(), known, prefix)
            raise UsageError(f"{printable(variable)}: there is no option of this name{near}")


def _given(
    one: Option,
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    prefix: str,
    lines: Mapping[str, object],
    config: Path | None,
) -> tuple[str, Any] | None:
    """Return where an option was given, and its text.

    The text of a secret in the environment is a Secret.
    """
    flag = getattr(arguments, one.name, None)
    if flag is not None:
        return one.flag, str(flag).lower() if one.is_switch else flag
    variable = prefix + one.name.upper()
    if one.is_secret:
        plain = variable.removesuffix("_FILE")
        if environ.get(plain) and environ.get(variable):
            raise UsageError(f"{plain} and {variable} are both set: one is enough")
        if environ.get(plain):
            return plain, Secret(environ[plain].strip())
    if environ.get(variable):
        return variable, environ[variable]
    if one.name in lines:
        origin = f"{_file(config)}: {one.name}"
        return origin, _toml_text(origin, one, lines[one.name])
    return None


def _toml_text(origin: str, one: Option, value: object) -> str:
    if isinstance(value, bool):
        if not one.is_switch:
            raise UsageError(f"{origin}: must be {one.kind.metavar}, not true or false")
        return str(value).lower()
    if one.is_switch:
        raise UsageError(f"{origin}: must be true or false, without quotes")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return value
    raise UsageError(f"{origin}: must be one value, not a table, a list or a date")


def read_toml(path: Path, flag: str) -> dict[str, Any]:
    """Return the content of an option's TOML file. Raises UsageError, which names it."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{flag}: {_file(path)}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{_file(path)}: not TOML: {error}") from error


def _file(path: Path | None) -> str:
    return "" if path is None else printable(path)


def _nearest(key: str, known: set[str], prefix: str = "") -> str:
    # Only needed on the way to an error.
    from difflib import get_close_matches

    near = get_close_matches(key.replace("-", "_"), known, n=1)
    name = prefix + near[0].upper() if prefix and near else "".join(near)
    return f"; {name} is meant?" if near else ""


def _shown(default: object) -> str | None:
    if default in (None, "", ()) or isinstance(default, bool):
        return None
    return f"{default:g}" if isinstance(default, float) else str(default)
