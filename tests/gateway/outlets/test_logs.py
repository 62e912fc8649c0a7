import json
import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from audio_model.decision import VerdictKind
from audio_model.gateway.config.settings import Records
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets import logs, publish
from audio_model.gateway.outlets.logs import JsonFormatter, TextFormatter
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.publish import Publisher
from audio_model.gateway.outlets.security import NumberHasher
from tests.gateway.fakes import verdict


def entry(
    hash_number: NumberHasher, sinks: list[tuple[Event, bytes]], call: CallInfo
) -> logging.LogRecord:
    """What a final event writes to the log."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    publish.logger.addHandler(handler)
    publish.logger.setLevel(logging.INFO)
    try:
        publisher = Publisher(
            Metrics(), hash_number, [lambda event, body: sinks.append((event, body))]
        )
        for kind in EventKind:
            publisher(Event(kind, call, "caller", verdict(VerdictKind.LIVE, 0.03)))
    finally:
        publish.logger.removeHandler(handler)
        publish.logger.setLevel(logging.NOTSET)
    (record,) = records
    return record


CALL = CallInfo("CA 1\n", "twilio", "+15550100", "+15550199")


def test_a_final_event_is_one_line_without_its_numbers() -> None:
    sinks: list[tuple[Event, bytes]] = []
    line = TextFormatter().format(entry(NumberHasher(), sinks, CALL))
    assert "\n" not in line
    assert "5550100" not in line and "5550199" not in line
    assert (
        ' info gateway.outlets.publish: final gateway=twilio call="CA 1\\\\n" leg=caller caller=#'
        in line
    )
    assert "verdict=live" in line and "reason" not in line
    # The user's own ways have them.
    assert [json.loads(body)["event"] for _, body in sinks] == list(EventKind)
    assert json.loads(sinks[0][1]) == sinks[0][0].as_dict()
    assert json.loads(sinks[0][1])["caller"] == "+15550100"


def test_json_has_the_same_fields() -> None:
    record = entry(NumberHasher(hide=False), [], CALL)
    values = json.loads(JsonFormatter().format(record))
    assert values["caller"] == "+15550100"
    assert values["call"] == "CA 1\n"
    assert (values["level"], values["message"]) == ("info", "final")
    assert values["time"].endswith("Z")


def test_tracebacks_follow() -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("audio_model.x", logging.ERROR, "", 0, "broke\n", (), info)
    text = TextFormatter().format(record)
    assert "error x: broke\\n\nTraceback" in text and text.endswith("ZeroDivisionError: by zero")
    assert "ZeroDivisionError" in json.loads(JsonFormatter().format(record))["traceback"]


def test_what_is_no_http_is_not_logged_with_all_its_bytes(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("aiohttp.server")
    with caplog.at_level(logging.INFO):
        levels = logging.root.level, list(logging.root.handlers)
        logs.set_up(Records())
        logging.root.setLevel(levels[0])
        logging.root.handlers[:] = levels[1]
        for failure in (BadHttpMessage("x" * 100_000), ZeroDivisionError("ours")):
            logger.error("Error handling request", exc_info=failure)
    assert "ZeroDivisionError: ours" in caplog.text
    assert len(caplog.text) < 1000
