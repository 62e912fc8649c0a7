"""The examples work as they stand, and what their page shows is so."""

import argparse
import hashlib
import hmac
import importlib.util
import json
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedRWPair
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest

from audio_model import audio
from audio_model.decision import Reason, VerdictKind
from audio_model.detector import Detector
from audio_model.formats import Encoding
from audio_model.gateway import command as serve
from audio_model.gateway.asterisk import eagi
from audio_model.gateway.config import settings, texts
from audio_model.gateway.config.values import Secret
from audio_model.gateway.dialects import DIALECTS
from audio_model.gateway.dialects.freeswitch import FreeSwitch
from audio_model.gateway.events import CallInfo, Event, EventKind
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.webhooks import signature
from audio_model.ranges import command as ranges
from tests.gateway.fakes import FakeCalls, FakeConnection, verdict
from tests.gateway.process import ServerProcess
from tests.gateway.serving import settings_of

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SAMPLES = ROOT / "samples"
PAGE = (EXAMPLES / "README.md").read_text("utf-8")
RUNNING = (ROOT / "docs" / "running-a-gateway.md").read_text("utf-8")
SECRET = b"hook"


def load(name: str) -> Any:
    """An example as a module; none of them is in a package."""
    path = EXAMPLES / name
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(
        tmp_path_factory.mktemp("serve"), "--deadline-seconds", "1", "--progress-seconds", "0.2"
    )
    yield server
    server.close()


# The client


def run_client(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "client.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_the_client_prints_events_until_the_final_one(server: ServerProcess) -> None:
    url = f"{server.ws_url}/v1/stream?call=client&caller=%2B4930123&progress=1"
    done = run_client(str(SAMPLES / "recorded-prompt-en.wav"), url)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {line[0] for line in lines[:-1]} == {"progress"}
    assert lines[-1][:2] == ["final", "caller"]
    assert server.final("client")["caller"] == "+4930123"


@pytest.mark.slow
def test_the_client_waits_for_both_parties(server: ServerProcess) -> None:
    done = run_client(str(SAMPLES / "stereo-call.wav"), f"{server.ws_url}/v1/stream")
    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"left", "right"}


@pytest.mark.slow
def test_the_client_says_what_it_cant_send(server: ServerProcess) -> None:
    done = run_client(str(SAMPLES / "recorded-prompt-it.wav"), f"{server.ws_url}/v1/stream")
    assert done.returncode == 1
    assert "neither 16-bit PCM nor G.711" in done.stderr


def test_the_client_says_what_it_needs() -> None:
    for flags in (["--help"], ["call.wav"]):
        # Isolated and without site-packages: a Python that has no aiohttp.
        ran = subprocess.run(
            [sys.executable, "-I", "-S", EXAMPLES / "client.py", *flags],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, "Send a recording" in ran.stdout) == (1, True)
        assert ran.stderr.startswith("aiohttp is missing: ") and ran.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_client_says_how_it_is_used(flag: str) -> None:
    done = run_client(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python client.py call.wav" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["missing.wav"], [__file__], [str(SAMPLES / "recorded-prompt-en.wav"), "nonsense"]],
)
def test_the_client_has_a_line_for_what_goes_wrong(arguments: list[str]) -> None:
    done = run_client(*arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr


# Twilio: what is received


def signed(body: bytes, at: float) -> str:
    digest = hmac.new(SECRET, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at:.0f},v1={digest}"


@pytest.mark.parametrize(
    ("header", "genuine"),
    [
        (signed(b"body", 1000), True),
        (signed(b"body", 1000) + ",v2=later", True),
        (signed(b"other", 1000), False),
        (signed(b"body", 600), False),
        (signed(b"body", 1400), False),
        (signed(b"body", 1000).replace("t=1000", "t=1001"), False),
        ("", False),
        ("t=,v1=", False),
        ("t=²,v1=é", False),
        ("v1=" + "0" * 64, False),
    ],
)
def test_the_receiver_knows_what_is_genuine(header: str, genuine: bool) -> None:
    assert load("twilio/receiver.py").is_genuine(SECRET, header, b"body", 1000) is genuine


@pytest.mark.slow
def test_the_receiver_takes_real_webhooks_and_no_others(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    receiver = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "twilio/receiver.py"), str(secret), "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert receiver.stdout is not None
        url = receiver.stdout.readline().removeprefix("listening on ").strip()
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(url, b'{"event": "final"}', timeout=30)
        refused.value.close()
        server = ServerProcess(
            tmp_path,
            *("--deadline-seconds", "0.5", "--webhook-url", url),
            *("--webhook-secret-file", str(secret)),
        )
        try:
            run_client(
                str(SAMPLES / "tones-ringback.wav"), f"{server.ws_url}/v1/stream?call=hooked"
            )
            line = receiver.stdout.readline()
        finally:
            server.close()
        assert line.startswith("final stream hooked: unknown ")
    finally:
        receiver.kill()
        receiver.communicate()


class _Twilio(BaseHTTPRequestHandler):
    status = 200
    seen: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Twilio]]:
    """Stands for Twilio's REST API; whose credentials are in the environment."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC1")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "token")
    handler = type("Twilio", (_Twilio,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield handler
        server.shutdown()
        thread.join()


def told(verdict: str, gateway: str = "twilio") -> dict[str, Any]:
    return {
        "event": "verdict",
        "gateway": gateway,
        "call": "CA1",
        "verdict": verdict,
        "score": 0.5,
        "reason": "",
    }


def test_a_recordings_call_is_ended_and_others_are_not(twilio: Any) -> None:
    receiver = load("twilio/receiver.py")
    receiver.TWILIO = twilio.url
    others = [told("live"), told("unknown"), told("recorded", "telnyx")]
    # Music on hold, in the middle of a call; a change of a number range; an alarm.
    others += [told("recorded") | {"event": "revised"}]
    others += [{"event": kind} for kind in ("range", "campaign")]
    for event in (*others, {"event": "batch", "keys": ["k"] * len(others), "events": others}):
        receiver.act(event)
    assert twilio.seen == []
    receiver.act({"event": "batch", "keys": ["k"], "events": [told("recorded")]})
    assert twilio.seen == [("/AC1/Calls/CA1.json", "Basic QUMxOnRva2Vu", b"Status=completed")]


def test_a_recordings_call_goes_on_elsewhere_once(
    twilio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_RECORDED_URL", "https://example.org/ask.xml?a=1")
    receiver = load("twilio/receiver.py")
    receiver.TWILIO = twilio.url
    receiver.act(told("live"))
    for event in ("verdict", "final"):
        receiver.act(told("recorded") | {"event": event})
    (asked,) = twilio.seen
    assert parse_qsl(asked[2].decode()) == [("Url", "https://example.org/ask.xml?a=1")]


@pytest.mark.parametrize(("status", "sent_again"), [(400, False), (404, False), (503, True)])
def test_a_call_that_is_over_is_no_failure(twilio: Any, status: int, sent_again: bool) -> None:
    receiver = load("twilio/receiver.py")
    receiver.TWILIO, twilio.status = twilio.url, status
    if sent_again:
        with pytest.raises(urllib.error.HTTPError) as failed:
            receiver.act(told("recorded"))
        failed.value.close()
    else:
        receiver.act(told("recorded"))


# FreeSWITCH: its event socket


def module_events(kind: VerdictKind) -> list[dict[str, str]]:
    """What mod_audio_stream makes of the texts that it is sent, first a verdict, then the final."""
    calls, connection = FakeCalls(), FakeConnection({"call": "channel-1"})
    dialect = FreeSwitch(connection, calls)  # type: ignore[arg-type]
    dialect.text('{"rate": 8000}')
    for event in (EventKind.VERDICT, EventKind.FINAL):
        calls.opened[0].tell(event, verdict(kind))
    return [
        {"Event-Subclass": "mod_audio_stream::json", "Unique-ID": "channel-1", "_body": str(text)}
        for text in connection.sent
    ]


def test_a_recording_is_transferred_once_and_the_stream_ends() -> None:
    verdicts = load("freeswitch/verdicts.py")
    transferred: set[str] = set()
    first, last = module_events(VerdictKind.RECORDED)
    assert list(verdicts.commands(first, transferred)) == [
        "uuid_setvar channel-1 audio_model_verdict recorded",
        "uuid_setvar channel-1 audio_model_score 0.97",
        "uuid_setvar channel-1 audio_model_reason",
        "uuid_transfer channel-1 recorded XML default",
    ]
    assert list(verdicts.commands(last, transferred))[3:] == ["uuid_audio_stream channel-1 stop"]
    assert transferred == set()


@pytest.mark.parametrize("kind", [VerdictKind.LIVE, VerdictKind.UNKNOWN])
def test_others_are_let_alone(kind: VerdictKind) -> None:
    verdicts = load("freeswitch/verdicts.py")
    told = [list(verdicts.commands(event, set())) for event in module_events(kind)]
    assert not [command for each in told for command in each if "transfer" in command]


def test_mod_audio_fork_that_passes_on_the_data_alone() -> None:
    _, last = module_events(VerdictKind.LIVE)
    body = json.dumps(json.loads(last["_body"])["data"])
    event = last | {"_body": body, "Event-Subclass": "mod_audio_fork::json"}
    commands = list(load("freeswitch/verdicts.py").commands(event, set()))
    assert commands[0].endswith("audio_model_verdict live")
    assert commands[-1] == "uuid_audio_fork channel-1 stop"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "null",
        "17",
        "{}",
        '{"type": "json", "data": 5}',
        '{"type": "transcript", "text": "hello"}',
        '{"event": "final"}',
        '{"event": "final", "verdict": "live\\n\\napi shutdown", "reason": ""}',
        '{"event": "final", "verdict": "live", "reason": "", "score": "1\\n\\napi shutdown"}',
        "[" * 100_000,
    ],
)
def test_other_json_of_the_modules_is_let_alone(body: str) -> None:
    event = module_events(VerdictKind.LIVE)[0] | {"_body": body}
    assert list(load("freeswitch/verdicts.py").commands(event, set())) == []
    assert list(load("freeswitch/verdicts.py").commands({}, set())) == []


def test_a_score_that_is_null_is_an_empty_variable() -> None:
    _, last = module_events(VerdictKind.UNKNOWN)
    body = json.loads(last["_body"])
    body["data"]["score"] = None
    event = last | {"_body": json.dumps(body)}
    told = list(load("freeswitch/verdicts.py").commands(event, set()))
    assert told[1] == "uuid_setvar channel-1 audio_model_score"


def test_the_dialplans_first_command_has_the_modules_that_it_needs() -> None:
    """The sound demo-congrats comes as GSM."""
    assert "demo-congrats" in (EXAMPLES / "asterisk/extensions.conf").read_text()
    loaded = re.findall(r"^load=(\S+)$", (EXAMPLES / "asterisk/modules.conf").read_text(), re.M)
    assert {"format_gsm.so", "codec_gsm.so", "app_playback.so"} <= set(loaded)


def test_the_script_speaks_with_an_event_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        port = str(listener.getsockname()[1])
        path = EXAMPLES / "freeswitch/verdicts.py"
        script = subprocess.Popen(
            [sys.executable, str(path), "127.0.0.1", port, "secret"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as file:
                heard = list(_freeswitch(file, module_events(VerdictKind.RECORDED)[0]))
        finally:
            script.kill()
            script.wait()
    assert heard == [
        "auth secret",
        "event json CUSTOM mod_audio_stream::json mod_audio_fork::json",
        "api uuid_setvar channel-1 audio_model_verdict recorded",
        "api uuid_setvar channel-1 audio_model_score 0.97",
        "api uuid_setvar channel-1 audio_model_reason",
        "api uuid_transfer channel-1 recorded XML default",
    ]


def _freeswitch(file: BufferedRWPair, event: dict[str, str]) -> Iterator[str]:
    """The other end of the event socket: yields the commands that come."""

    def read() -> str:
        line = file.readline().decode().strip()
        assert file.readline() == b"\n"
        return line

    def send(headers: str, body: str = "") -> None:
        file.write(f"{headers}\n\n{body}".encode())
        file.flush()

    send("Content-Type: auth/request")
    for _ in range(2):
        yield read()
        send("Content-Type: command/reply\nReply-Text: +OK accepted")
    body = json.dumps(event)
    send(f"Content-Length: {len(body.encode())}\nContent-Type: text/event-json", body)
    for _ in range(4):
        yield read()
        send("Content-Type: api/response\nContent-Length: 4", "+OK\n")


def test_the_dialplan_starts_a_stream_that_is_understood() -> None:
    dialplan = ElementTree.parse(EXAMPLES / "freeswitch/audio-model.xml")
    (start,) = (
        action.get("data", "")
        for action in dialplan.iter("action")
        if action.get("data", "").startswith("api_on_answer=")
    )
    _, channel, command, url, mix, rate = start.removeprefix("api_on_answer=").split()
    assert (channel, command, mix, rate) == ("${uuid}", "start", "mono", "8k")
    parts = urlsplit(url)
    assert (parts.scheme, parts.path) == ("ws", "/freeswitch")
    calls = FakeCalls()
    dialect = FreeSwitch(FakeConnection(dict(parse_qsl(parts.query))), calls)  # type: ignore[arg-type]
    dialect.text('{"rate": 8000}')
    (call,) = calls.opened
    assert call.legs[0].raw_format.sample_rate == 8000
    assert (call.info.id, call.info.caller) == ("${uuid}", "${caller_id_number}")


def test_the_twiml_forks_the_call_and_goes_on() -> None:
    twiml = ElementTree.parse(EXAMPLES / "twilio/incoming.xml").getroot()
    assert [verb.tag for verb in twiml] == ["Start", "Dial"]
    stream = twiml.find("Start/Stream")
    assert stream is not None
    url = urlsplit(stream.get("url", ""))
    # Twilio takes no query in it.
    assert (url.scheme, url.path, url.query) == ("wss", "/twilio", "")
    assert {parameter.get("name") for parameter in stream} == {"caller", "called"}


# What the pages show


@pytest.mark.parametrize("page", [EXAMPLES / "README.md", ROOT / "docs/live-calls.md"])
def test_what_the_pages_show_of_a_sample_is_what_comes(page: Path) -> None:
    text, path = page.read_text("utf-8"), ROOT / "samples/recorded-prompt-en.wav"
    samples = audio.read(path, max_seconds=6)
    stream, told = Detector.load().stream(8000, Encoding.S16LE), []
    shown = {
        kind: (float(score), float(seconds))
        for kind, score, seconds in re.findall(
            r"^(verdict|final) +caller recorded ([\d.]+) +([\d.]+) s$", text, re.MULTILINE
        )
    }
    for first in range(0, round(shown["final"][1] * 8000), 160):
        verdict = stream.feed(samples[first : first + 160])
        if verdict is not None:
            told.append(verdict)
    (verdict,) = told
    assert (round(verdict.score, 6), verdict.seconds) == shown["verdict"]
    assert round(stream.verdict().score, 6) == shown["final"][0]
    whole = Detector.load().score(path).score
    if page.name == "live-calls.md":
        (score,) = re.findall(r'"verdict":"recorded","score":([\d.]+), \.\.\.', text)
        assert float(score) == pytest.approx(whole, abs=1e-6)
    else:
        assert f"The file itself scores {whole:.3f}" in text
        event = json.loads(re.findall(r"^```json\n(\{\n  \"event\".*?^\})", text, re.M | re.S)[0])
        assert (event["score"], event["decided_at"]) == shown["verdict"]
        assert event["speech_seconds"] == verdict.speech_seconds


# The service


@pytest.mark.parametrize("name", ["audio-model.service", "audio-model@.service"])
def test_the_services_settings_are_read(name: str, tmp_path: Path) -> None:
    unit = (EXAMPLES / "systemd" / name).read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=\S+ serve (.*)--config", unit, re.MULTILINE)
    (tmp_path / "secret").write_bytes(SECRET)
    names = re.findall(r"^Environment=(\w+)=%d/", unit, re.MULTILINE)
    secrets = {name: str(tmp_path / "secret") for name in names}
    config = str(EXAMPLES / "systemd/serve.toml")
    settings = settings_of(*command.split(), "--config", config, environ=secrets)
    assert settings.listening.reuse_port is ("@" in name)
    assert settings.webhook.secret is not None and settings.access.token is not None
    assert settings.listening.host == "127.0.0.1"


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["audio-model.service", "audio-model@.service"])
def test_systemd_reads_the_services(name: str, tmp_path: Path) -> None:
    unit = (EXAMPLES / "systemd" / name).read_text("utf-8")
    (tmp_path / name).write_text(
        unit.replace("/opt/audio-model/.venv/bin/audio-model", "/bin/true")
    )
    told = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_every_line_of_the_settings_that_is_commented_out_would_be_read(tmp_path: Path) -> None:
    toml = (EXAMPLES / "systemd/serve.toml").read_text("utf-8")
    config = tmp_path / "serve.toml"
    config.write_text(re.sub(r"^# (\w+ = )", r"\1", toml, flags=re.MULTILINE), "utf-8")
    settings = settings_of(
        "--config", str(config), environ={"AUDIO_MODEL_SERVE_WEBHOOK_SECRET": "secret"}
    )
    assert settings.protocols.audiosocket is not None
    assert settings.records.keep_audio is not None
    assert settings.listening.public_url


# The page


def code_blocks(language: str) -> list[str]:
    """What stands between fences, those of lists left out."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (EXAMPLES / target.partition("#")[0]).exists(), target


def test_every_gateway_has_its_path_there() -> None:
    for name in DIALECTS:
        assert ("`/v1/stream`" if name == "stream" else f"`/{name}`") in PAGE
        assert re.search(rf"\b{name}\b", texts.DESCRIPTION)


def test_every_option_that_is_named_is_one() -> None:
    others = {"--now", "--note"}
    others |= {"--legs", "--loops", "--seconds", "--rounds"}  # of benchmarks.gateway
    known = {"--help", "--config"} | others
    for command in (serve, eagi, ranges):
        parser = argparse.ArgumentParser(add_help=False)
        command.add_arguments(parser)
        known |= set(re.findall(r"--[a-z-]+", parser.format_help()))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE + RUNNING))
    assert named <= known, named - known


def commands_of_serve(text: str) -> list[str]:
    """The options of each command of a page or a file, whose comments begin with ; or # or none."""
    joined = re.sub(r"\\\n[;# ]*", " ", text)
    return [
        options
        for options in re.findall(r"^[;#` ]*audio-model serve (-[^\n`>&]*)", joined, re.MULTILINE)
        if "..." not in options and "--help" not in options
    ]


def test_the_commands_of_the_pages_and_files_start_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ari.conf had one that named no --audiosocket."""
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    endings = (".conf", ".cfg", ".md", ".py")
    pages = [path.read_text("utf-8") for path in EXAMPLES.rglob("*.*") if path.suffix in endings]
    commands = {command for page in pages for command in commands_of_serve(page)}
    assert len(commands) > 10
    for command in sorted(commands):
        there = command.replace("/var/lib/audio-model", str(tmp_path))
        arguments = parser.parse_args(shlex.split(there))
        for name, value in vars(arguments).items():
            if name.endswith("_file") and value is not None:
                Path(str(value)).write_text("a secret of some length")
        settings.load(arguments, {})


def test_budgets_that_the_pages_name_are_known_to_the_model() -> None:
    named = r"(?:max_false_alarm = |budget=|--max-false-alarm )(0[\d.]*\d)"
    budgets = re.findall(named, PAGE + RUNNING)
    assert len(budgets) > 2
    detector = Detector.load()
    for budget in budgets:
        detector.within(float(budget))


class _NoWebhooks:
    def __len__(self) -> int:
        return 0

    def oldest_seconds(self) -> float:
        return 0.0


class _NoCalls:
    open_legs = 0

    def queue_age(self) -> float:
        return 0.0


def test_every_metric_that_is_named_is_one() -> None:
    metrics = Metrics()
    metrics.watch(_NoCalls())
    metrics.watch_webhooks(_NoWebhooks())
    metrics.watch_parts({})
    families = set(re.findall(r"^# TYPE (\w+)", metrics.text().decode(), re.MULTILINE))
    section = RUNNING.partition("## Metrics")[2]
    named = set(re.findall(r"audio_model_\w+", section))
    assert len(named) >= 7
    assert {name.removesuffix("_bucket") for name in named} <= families


def test_every_reason_is_explained() -> None:
    table = PAGE.partition("### Unknown, and why")[2].partition("## Webhooks")[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    explained = re.findall(r"`(\w+)`", " ".join(first_cells))
    assert sorted(explained) == sorted([*(str(reason) for reason in Reason if reason), "reason"])


def test_the_event_that_is_shown_is_what_is_sent() -> None:
    shown = json.loads(next(block for block in code_blocks("json") if '"event"' in block))
    sent = Event(EventKind.VERDICT, CallInfo("42", "stream"), "caller", verdict()).as_dict()
    assert list(shown) == list(sent)
    assert [type(value) for value in shown.values()] == [type(value) for value in sent.values()]


def test_the_snippet_verifies_what_is_sent() -> None:
    (snippet,) = code_blocks("python")
    scope: dict[str, Any] = {}
    exec(snippet, scope)
    now = int(time.time())
    header = signature(Secret(SECRET.decode()), b"body", now)
    assert scope["is_genuine"](SECRET, header, b"body")
    assert not scope["is_genuine"](SECRET, header, b"body!")
    assert not scope["is_genuine"](SECRET, signature(Secret("hook"), b"body", now - 900), b"body")
    assert not scope["is_genuine"](SECRET, "", b"body")
