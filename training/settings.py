"""Settings as TOML has them become dataclasses; what doesn't fit is named."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import dacite

from audio_model.errors import UsageError

T = TypeVar("T")

_WORDS = {
    str: ("a text", "texts"),
    Path: ("a path", "paths"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", ""),
}
"""What TOML is to hold for a type, and for a list of them."""


def read(kind: type[T], path: Path) -> T:
    """Read a config of a kind, its paths as they are written.

    Raises UsageError that names the file and the setting.
    """
    try:
        return from_dict(kind, tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def from_dict(kind: type[T], values: Mapping[str, Any], cast: tuple[type, ...] = ()) -> T:
    """Rebuild a dataclass from plain data. Raises UsageError that names the setting.

    ``cast`` are the enums that texts are turned into.
    """
    hooks: dict[type[Any], Callable[[Any], Any]] = {
        int: _as_int,
        float: _as_float,
        Path: _as_path,
    }
    rules = dacite.Config(cast=list(cast), type_hooks=hooks)
    _check_tables(kind, values)
    try:
        return dacite.from_dict(kind, _with_tuples(values), rules)
    except dacite.WrongTypeError as error:
        setting = error.field_path or ""
        given = _at(values, setting)
        raise UsageError(f"{setting}: {given!r} is not {_expected(error.field_type)}") from error
    except dacite.MissingValueError as error:
        raise UsageError(f"{error.field_path} is missing") from error


def _check_tables(kind: Any, values: Mapping[str, Any], within: str = "") -> None:
    """Raise UsageError for a name that no setting has, and for what stands in a list's place.

    dacite doesn't tell in which table a name stands, and makes letters of a text.
    """
    if unknown := sorted(values.keys() - {each.name for each in fields(kind)}):
        raise UsageError(f"no setting has the name {', '.join(within + name for name in unknown)}")
    for name, of in get_type_hints(kind).items():
        given = values.get(name)
        is_list = get_origin(of) is tuple
        if is_list and not isinstance(given, list | tuple | None):
            raise UsageError(f"{within}{name}: {given!r} is not {_expected(of)}")
        table = get_args(of)[0] if is_list else of
        if is_dataclass(table):
            for each in (given or ()) if is_list else (given,):
                if isinstance(each, Mapping):
                    _check_tables(table, each, f"{within}{name}.")


def _with_tuples(values: Any) -> Any:
    """Return plain data with tuples for its lists."""
    if isinstance(values, Mapping):
        return {name: _with_tuples(value) for name, value in values.items()}
    return tuple(map(_with_tuples, values)) if isinstance(values, list | tuple) else values


def _at(values: Any, setting: str) -> Any:
    """Return what was given for a setting; dacite's error holds what it has made of it."""
    for name in setting.split("."):
        if isinstance(values, Mapping):
            values = values[name]
    return values


def _expected(kind: Any) -> str:
    """Return in words what TOML is to hold for a field."""
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        of = parts[0]
        named = "tables" if is_dataclass(of) else _WORDS[of][1]
        return f"a list of {named}" if parts[-1] is ... else f"a list of {len(parts)} {named}"
    if type(None) in parts:
        return _expected(parts[0])
    return _WORDS[kind][0] if kind in _WORDS else "a table"


def _as_int(value: object) -> object:
    """Return true and false as texts, since they are integers for dacite. It refuses those."""
    return repr(value) if isinstance(value, bool) else value


def _as_float(value: object) -> object:
    """Return 1 as 1.0, which TOML may write for a float. dacite refuses anything else."""
    return float(value) if type(value) is int else value


def _as_path(value: object) -> object:
    """Return a text as a path, which TOML has no type for. dacite refuses anything else."""
    return Path(value) if isinstance(value, str) else value
