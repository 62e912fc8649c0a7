"""The log: one line an entry on standard error, for people or as JSON."""

import json
import logging
import math
import sys

from aiohttp.http_exceptions import HttpProcessingError

from audio_model.errors import printable
from audio_model.gateway.config.settings import Records
from audio_model.gateway.config.values import LogFormat
from audio_model.times import utc

_PACKAGE = "audio_model."
_WEBSOCKET_LOGGER = "aiohttp.websocket"
_HTTP_LOGGER = "aiohttp.server"


class TextFormatter(logging.Formatter):
    """Lines such as ``2026-01-31T12:00:00.000Z info gateway.outlets.publish: final call=…``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of text."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        name = record.name.removeprefix(_PACKAGE)
        line = f"{_time(record)} {record.levelname.lower()} {name}: "
        line += printable(record.getMessage()) + fields
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of JSON."""
        entry: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def set_up(records: Records) -> None:
    """Log to standard error as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if records.log_format is LogFormat.JSON else TextFormatter()
    )
    logging.basicConfig(level=records.log_level.upper(), handlers=[handler], force=True)
    # Its warnings are of subprotocols that a client offers and we don't know.
    logging.getLogger(_WEBSOCKET_LOGGER).setLevel(logging.ERROR)
    logging.getLogger(_HTTP_LOGGER).addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether a record is not about a request that is no HTTP.

    Such a record holds all bytes of the request, and anybody could fill the log with it.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return {
        name: value
        for name, value in fields.items()
        if value != "" and not (isinstance(value, float) and math.isnan(value))
    }


def _plain(value: object) -> str:
    text = printable(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text


def _time(record: logging.LogRecord) -> str:
    moment = utc(record.created)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
