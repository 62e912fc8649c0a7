"""Asterisk from ``.peers/asterisk``, with the conf files of ``examples/asterisk``.

Its libraries are a newer Debian's, so it runs by its own loader and needs neither chroot nor root;
the programs that it starts (EAGI) run by the machine's own. Only ports, the program's path and the
demonstration's agent are changed, and a context for the tests is added.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".peers" / "asterisk"
EXAMPLES = ROOT / "examples" / "asterisk"

MISSING = "Asterisk is not there: run scripts/peers asterisk (as root, on Debian)"

_DIRECTORIES = """\
[directories]
astetcdir => {home}/etc
astmoddir => {folder}/usr/lib/{triplet}/asterisk/modules
astvarlibdir => {home}/var
astdbdir => {home}/var
astkeydir => {home}/var
astdatadir => {folder}/usr/share/asterisk
astagidir => {home}/agi
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log
astcachedir => {home}/cache

[options]
hideconnect = yes
"""

_TESTS = """
[tests]
; A caller who plays a recording again and again.
exten => play,1,Answer()
 same => n,Playback(${RECORDING})
 same => n,Goto(play,2)

; An agent who writes down what is heard.
exten => agent,1,Answer()
 same => n,Record(${AGENT_HEARS},0,30,kqx)

; The example's WebSocket channel, for as long as the caller stays.
exten => websocket-whole,1,Answer()
 same => n,Dial(WebSocket/audio-model/c(slin))

; The example's EAGI with a server.
exten => eagi-server,1,Answer()
 same => n,EAGI(${AUDIO_MODEL},eagi,--server,ws://127.0.0.1:8080)
 same => n,Goto(audio-model,verdict,1)

; Where recordings are sent.
exten => recorded,1,NoOp(${AMDSTATUS} ${AMDCAUSE} ${AUDIOMODEL_VERDICT} ${AUDIOMODEL_SCORE})
 same => n,Wait(20)

; The application, for as long as the caller or the server stays.
exten => application,1,Answer()
 same => n,AudioSocket(${UUID()},${AUDIOSOCKET})

; The mistake: no /c(slin).
exten => trap,1,Answer()
 same => n,Dial(AudioSocket/${AUDIOSOCKET}/${UUID()})
"""

# EAGI's audio is copied on its way to the program.
_EAGI = """\
#!/bin/bash
exec 3< <(exec tee "{heard}" <&3)
exec "{python}" -m audio_model "$@"
"""

_CALLER, _CALLER_SECRET = "caller", "of-the-tests"
_MANAGER = f"""
[{_CALLER}]
secret={_CALLER_SECRET}
write=originate
"""

CALL_SECONDS = 30.0
"""Within which Asterisk takes a call that is to be placed, however busy the machine is."""

BUSY_SECONDS = 0.2
"""A Python that does nothing takes less than a tenth of a second."""


def is_there() -> bool:
    return (FOLDER / "usr/sbin/asterisk").exists()


NEEDS_ASTERISK = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(not is_there(), reason=MISSING),
    pytest.mark.usefixtures("no_calls_left"),
]


def free_ports(n: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody has just now."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def is_busy() -> bool:
    """Whether this machine does so much else that no time measured on it is ours."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    took = time.monotonic() - began
    return took > BUSY_SECONDS or os.getloadavg()[0] > (os.cpu_count() or 1)


class Asterisk:
    """A running Asterisk. Its four ports are known before it is started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.audiosocket_port, self.serve_port, self.http_port, self.ami_port = free_ports(4)
        self.agent_hears = home / "agent.sln"
        self.eagi_heard = home / "eagi.sln"
        self.log = home / "console.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        (loader,) = FOLDER.glob("usr/lib*/ld-linux-*.so.*")
        (modules,) = FOLDER.glob("usr/lib/*/asterisk/modules")
        self._triplet = modules.parents[1].name
        self._command = [
            str(loader),
            "--library-path",
            str(FOLDER / "usr/lib" / self._triplet),
            str(FOLDER / "usr/sbin/asterisk"),
            "-C",
            str(home / "etc/asterisk.conf"),
        ]

    def configure(self, python: str) -> None:
        """``python``: the interpreter for EAGI."""
        for name in ("etc", "var", "agi", "spool", "run", "log", "cache"):
            (self.home / name).mkdir(parents=True)
        eagi = self.home / "agi/audio-model"
        eagi.write_text(_EAGI.format(heard=self.eagi_heard, python=python))
        eagi.chmod(0o755)
        changes = {
            r"127\.0\.0\.1:9092": f"127.0.0.1:{self.audiosocket_port}",
            r"127\.0\.0\.1:8080": f"127.0.0.1:{self.serve_port}",
            r"bindport=8088": f"bindport={self.http_port}",
            r"port=5038": f"port={self.ami_port}",
            r"AUDIO_MODEL=\S+": f"AUDIO_MODEL={eagi}",
            r"AGENT=\S+": f"AGENT=Local/agent@tests/n\nAGENT_HEARS={self.agent_hears}",
        }
        for path in EXAMPLES.glob("*.conf"):
            text = path.read_text()
            text += {"extensions.conf": _TESTS, "manager.conf": _MANAGER}.get(path.name, "")
            for pattern, value in changes.items():
                text = re.sub(pattern, value.replace("\\", r"\\"), text)
            (self.home / "etc" / path.name).write_text(text)
        asterisk_conf = _DIRECTORIES.format(home=self.home, folder=FOLDER, triplet=self._triplet)
        (self.home / "etc/asterisk.conf").write_text(asterisk_conf)

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "-f", "-n", "-vvv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        until = time.monotonic() + 60
        while "Asterisk Ready" not in self.log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Asterisk did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def cli(self, command: str) -> str:
        """What Asterisk's console answers to a command."""
        return subprocess.run(
            [*self._command, "-rx", command], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def channels(self) -> list[str]:
        """Names of the channels that are up."""
        lines = self.cli("core show channels concise").splitlines()
        return [line.split("!")[0] for line in lines if "!" in line]

    def call(self, recording: Path, to: str, codec: str = "slin") -> None:
        """Someone calls ``to`` (EXTENSION@CONTEXT) over a channel of a codec and plays a recording.

        ``recording``: a file of .sln, .ulaw or .alaw.
        """
        self._manage(
            {"Action": "Login", "Username": _CALLER, "Secret": _CALLER_SECRET, "Events": "off"},
            {
                "Action": "Originate",
                "Channel": f"Local/{to}/n",
                "Codecs": codec,
                "Context": "tests",
                "Exten": "play",
                "Priority": "1",
                "CallerID": '"Someone" <+49301234567>',
                "Variable": f"RECORDING={recording.with_suffix('')}",
                "Async": "true",
            },
        )

    def _manage(self, *actions: dict[str, str]) -> None:
        """Have actions of the Manager Interface done, one after the other."""
        with (
            socket.create_connection(("127.0.0.1", self.ami_port), CALL_SECONDS) as connection,
            connection.makefile("rwb") as stream,
        ):
            stream.readline()
            for action in actions:
                lines = [f"{name}: {value}\r\n" for name, value in action.items()]
                stream.write("".join([*lines, "\r\n"]).encode())
                stream.flush()
                answer = b"".join(iter(stream.readline, b"\r\n")).decode()
                if "Response: Success" not in answer:
                    raise RuntimeError(f"Asterisk refused {action}: {answer}")

    def told(self) -> list[str]:
        """AMDSTATUS, AMDCAUSE, verdict and score as the last call's dialplan found them."""
        found = re.findall(r'NoOp\("[^"]*", "([^"]*)"\)', self.said())
        return found[-1].split(" ") if found else []

    def eagi_hears_signals(self) -> bool:
        """Whether the program of EAGI is at work: it catches SIGHUP."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.Error, OSError):
                if "eagi" in child.cmdline():
                    status = Path(f"/proc/{child.pid}/status").read_text()
                    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
                    if int(caught, 16) >> (signal.SIGHUP - 1) & 1:
                        return True
        return False

    def forget(self) -> None:
        """What was said and recorded so far."""
        self._log_begin = len(self.log.read_bytes())
        for path in (self.agent_hears, self.eagi_heard):
            path.unlink(missing_ok=True)

    def said(self) -> str:
        """What is in its log since :meth:`forget`."""
        return self.log.read_bytes()[self._log_begin :].decode(errors="replace")

    def hang_up_all(self) -> None:
        self.cli("channel request hangup all")
        until = time.monotonic() + 30
        while self.channels() and time.monotonic() < until:
            time.sleep(0.05)


@contextmanager
def running(home: Path, python: str) -> Iterator[Asterisk]:
    """An Asterisk for as long as the block lasts.

    ``home``: a folder with a short path, because a socket is made in it.
    """
    asterisk = Asterisk(home)
    asterisk.configure(python)
    try:
        asterisk.start()
        yield asterisk
    finally:
        asterisk.stop()
