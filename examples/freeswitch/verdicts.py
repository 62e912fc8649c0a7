"""Act on audio-model's verdicts in FreeSWITCH, through its event socket (mod_event_socket).

    python3 verdicts.py                          127.0.0.1:8021 with the password ClueCon
    python3 verdicts.py HOST PORT PASSWORD

Each verdict becomes the channel variables audio_model_verdict, _score and _reason, and the call of
a recording goes to the extension "recorded". Others are let alone. Needs nothing but Python 3.11.
"""

import json
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

EVENTS = "mod_audio_stream::json mod_audio_fork::json"
UUID = re.compile(r"[\w-]{1,100}", re.ASCII)
WORD = re.compile(r"\w{0,40}", re.ASCII)
RECORDED = "recorded XML default"
"""The extension, dialplan and context for recordings."""


def read_message(file: BinaryIO) -> tuple[dict[str, str], str]:
    """Headers and body. Raises EOFError when FreeSWITCH is gone."""
    headers: dict[str, str] = {}
    while line := file.readline().decode().strip():
        name, _, value = line.partition(": ")
        headers[name] = value
    if not headers:
        raise EOFError("FreeSWITCH has closed the event socket")
    return headers, file.read(int(headers.get("Content-Length", 0))).decode(errors="replace")


def json_object(text: object) -> dict[str, Any] | None:
    """Return a JSON object, or None for anything else."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def verdict_in(body: object) -> dict[str, Any] | None:
    """Return our verdict in a module's event; None for other JSON, which modules pass on, too."""
    said = json_object(body) or {}
    verdict = said.get("data", said)
    if not isinstance(verdict, dict) or verdict.get("event") not in ("verdict", "final"):
        return None
    # What stands in a command must not begin another one.
    words = (verdict.get("verdict"), verdict.get("reason"))
    plain = all(isinstance(word, str) and WORD.fullmatch(word) for word in words)
    return verdict if plain and isinstance(verdict.get("score"), float | None) else None


def commands(event: dict[str, Any], transferred: set[str]) -> Iterator[str]:
    """Yield the commands for an event of the module whose body is ours.

    ``transferred`` holds the channels that were transferred, while more events of them may come.
    """
    channel, verdict = str(event.get("Unique-ID", "")), verdict_in(event.get("_body"))
    if verdict is None or not UUID.fullmatch(channel):
        return
    for name in ("verdict", "score", "reason"):
        value = verdict.get(name)
        yield f"uuid_setvar {channel} audio_model_{name} {'' if value is None else value}".rstrip()
    if verdict["verdict"] == "recorded" and channel not in transferred:
        transferred.add(channel)
        yield f"uuid_transfer {channel} {RECORDED}"
    if verdict["event"] == "final":
        # Nothing more will be said, so nothing more need be sent.
        transferred.discard(channel)
        fork = "audio_fork" in str(event.get("Event-Subclass"))
        module = "audio_fork" if fork else "audio_stream"
        yield f"uuid_{module} {channel} stop"


def main(host: str = "127.0.0.1", port: str = "8021", password: str = "ClueCon") -> None:
    """Connect to FreeSWITCH and act on verdicts until it closes the connection."""
    with socket.create_connection((host, int(port))) as connection:
        file = connection.makefile("rb")
        read_message(file)
        for command in (f"auth {password}", f"event json CUSTOM {EVENTS}"):
            connection.sendall(f"{command}\n\n".encode())
            reply = read_message(file)[0].get("Reply-Text", "")
            if not reply.startswith("+OK"):
                sys.exit(f"{command.split()[0]}: {reply}")
        transferred: set[str] = set()
        while True:
            headers, body = read_message(file)
            if headers.get("Content-Type") != "text/event-json":
                continue
            for command in commands(json_object(body) or {}, transferred):
                print(command, flush=True)
                connection.sendall(f"api {command}\n\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
