"""``audio-model serve`` as a process of its own, on a machine with time to spare."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
_LISTENING = "audio-model: listening on "


class ServerProcess:
    """Started and ready. Its log is in ``log``."""

    def __init__(self, folder: Path, *flags: str, environ: Mapping[str, str] | None = None) -> None:
        """
        Args:
            folder: for the log.
            flags: of ``serve``; the port is any that is free unless they say otherwise.
        """
        self.log_path = folder / f"serve-{time.monotonic_ns()}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.gateway.unhurried", "serve", "--port", "0", *flags],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environ or {})},
            )
        self.addresses: list[str] = []
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), True)
        self._read_addresses()

    def _read_addresses(self) -> None:
        assert self.process.stdout is not None
        # The HTTP side comes first and the last line is told when all are there.
        while True:
            line = self.process.stdout.readline().decode()
            if not line:
                self._gone()
                raise RuntimeError(f"serve has ended: {self.log}")
            if line.strip() == "audio-model: ready":
                return
            self.addresses.append(line.removeprefix(_LISTENING).strip())

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return self.addresses[0]

    @property
    def ws_url(self) -> str:
        """``ws://127.0.0.1:PORT``"""
        return "ws" + self.url.removeprefix("http")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def audiosocket(self) -> tuple[str, int]:
        """Host and port."""
        return self._other("audiosocket")

    @property
    def siprec(self) -> tuple[str, int]:
        return self._other("sip")

    def _other(self, scheme: str) -> tuple[str, int]:
        (address,) = (a for a in self.addresses if a.startswith(f"{scheme}://"))
        host, _, port = address.partition("://")[2].rpartition(":")
        return host, int(port)

    def get(self, path: str) -> Any:
        """An answer as JSON; None if there is nothing by this name."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    def calls(self) -> list[dict[str, Any]]:
        """The recent calls, the latest first."""
        calls: list[dict[str, Any]] = self.get("/v1/calls")["calls"]
        return calls

    def final(self, call_id: str, timeout: float = 60.0, leg: str | None = None) -> dict[str, Any]:
        """The final event of a call's leg (its only one unless ``leg`` says which), once it is."""
        until = time.monotonic() + timeout
        call: Any = None
        while time.monotonic() < until:
            call = self.get(f"/v1/calls/{quote(call_id, safe='')}")
            events = [] if call is None else list(call["legs"].values())
            events = [event for event in events if leg in (None, event["leg"])]
            if len(events) == 1 and events[0]["event"] == "final":
                final: dict[str, Any] = events[0]
                return final
            time.sleep(0.02)
        raise AssertionError(f"no final event of {call_id} in {timeout} s: {call}\n{self.log}")

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def kill(self) -> None:
        """At once, without a word."""
        self.process.kill()
        self._gone()

    def stop(self, timeout: float = 60.0) -> int:
        """As an administrator does; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout)
        return self._gone()

    def _gone(self) -> int:
        status = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def close(self) -> None:
        """Whatever it does now, it is over."""
        if self.process.poll() is None:
            self.process.kill()
        self._gone()
