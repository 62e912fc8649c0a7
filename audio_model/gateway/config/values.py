"""Kinds of values that options have: each parses a text. ValueError says what is wrong with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audio_model.errors import os_error_as, printable


@dataclass(frozen=True)
class ValueKind:
    """A kind of value: its name in the help, and the parser that it is called as.

    The parser raises ValueError, whose message completes "port: ...".
    """

    metavar: str
    parse: Callable[[Any], Any]

    def __call__(self, text: Any) -> Any:
        """Return the value of a text."""
        return self.parse(text)


def kind(metavar: str) -> Callable[[Callable[[Any], Any]], ValueKind]:
    """Make a parser a kind of value."""
    return partial(ValueKind, metavar)


@dataclass(frozen=True)
class Secret:
    """A value that only its owner should know. It is never shown."""

    value: str = field(repr=False)

    @property
    def bytes(self) -> bytes:
        """Return the value as bytes."""
        return self.value.encode()


@dataclass(frozen=True)
class Address:
    """An address to listen on or to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class PortRange:
    """UDP ports, both ends among them."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class LogFormat(StrEnum):
    """The format of the log."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least level of entries in the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@kind("FIRST-LAST")
def port_range(value: str) -> PortRange:
    """Parse ``30000-30999``."""
    first, _, last = value.partition("-")
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError(f"must be FIRST-LAST, not {value!r}")
    if not 1024 <= int(first) < int(last) <= 65535:
        raise ValueError(f"must rise from 1024 or more to 65535 at most, not {value!r}")
    return PortRange(int(first), int(last))


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be text, of printable characters")
    return value.strip()


host, name = ValueKind("ADDRESS", _text), ValueKind("NAME", _text)


@kind("EXTEN@CONTEXT")
def extension(value: str) -> str:
    """Parse ``recorded@from-trunk``."""
    exten, at, context = value.strip().partition("@")
    if not (at and exten and context) or not value.isprintable() or " " in value.strip():
        raise ValueError(f"must be EXTENSION@CONTEXT, not {value!r}")
    return value.strip()


@kind("")
def switch(value: str) -> bool:
    """Parse true or false, also as yes, on or 1."""
    match value.strip().lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
    raise ValueError(f"must be true or false, not {value!r}")


def integer(low: int, high: int, metavar: str = "N") -> ValueKind:
    """Return the kind of a whole number within limits."""

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number, {low} to {high}, not {value!r}")
        return number

    return ValueKind(metavar, parse)


def number(low: float, high: float, metavar: str) -> ValueKind:
    """Return the kind of a number within limits."""

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"must be a number, {low:g} to {high:g}, not {value!r}")
        return number

    return ValueKind(metavar, parse)


def seconds(low: float, high: float = 3600) -> ValueKind:
    """Return the kind of a time in seconds within limits."""
    return number(low, high, "S")


def choice(kinds: type[StrEnum], metavar: str) -> ValueKind:
    """Return the kind of one of a closed set."""

    def parse(value: str) -> StrEnum:
        try:
            return kinds(value)
        except ValueError:
            raise ValueError(f"must be {' or '.join(kinds)}, not {value!r}") from None

    return ValueKind(metavar, parse)


@kind("HOST:PORT")
def address(value: str) -> Address:
    """Parse ``127.0.0.1:9092``, ``[::1]:9092`` or ``pbx.example.org:5038``.

    Port 0 means any port that is free.
    """
    host, colon, port = value.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"must be HOST:PORT, not {value!r}")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"must be HOST:PORT; {host!r} is not a host name") from None
    return Address(host, int(port))


def _path(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{printable(value)}: there is no such home directory") from error


@kind("FILE")
def file(value: str) -> Path:
    """Parse the path of a file that can be read."""
    path = _path(value)
    with os_error_as(ValueError, f"{printable(path)}"), path.open("rb"):
        return path


@kind("DIR")
def folder(value: str) -> Path:
    """Parse the path of a folder that is there, or can be made when it is needed."""
    path = _path(value)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{printable(path)}: is not a folder")
    return path


@kind("STORE")
def store(value: str) -> Path:
    """Parse the path of a file that is there, or can be made in a folder that is."""
    path = _path(value)
    if not path.parent.is_dir():
        raise ValueError(f"{printable(path.parent)}: is not a folder")
    if path.exists() and not path.is_file():
        raise ValueError(f"{printable(path)}: is not a file")
    return path


@kind("FILE")
def secret_file(value: str | Secret) -> Secret:
    """Read a secret from a file, without white space around it."""
    if isinstance(value, str):
        path = file(value)
        try:
            value = Secret(path.read_text("utf-8").strip())
        except UnicodeDecodeError as error:
            raise ValueError(f"{printable(path)}: is not text") from error
    if not value.value:
        raise ValueError("the secret is empty")
    return value


@kind("URL")
def url(value: str) -> str:
    """Parse an http or https address."""
    value = value.strip()
    if not value.startswith(("http://", "https://")) or not value.isprintable():
        raise ValueError(f"must begin with http:// or https://, not {value!r}")
    try:
        parts = urlsplit(value)
        host = (parts.hostname or "").encode("idna")
        if not host or " " in value or parts.port == 0:
            raise ValueError("no host")
    except ValueError:
        raise ValueError(f"must be the address of a host and, perhaps, a port: {value!r}") from None
    return value
