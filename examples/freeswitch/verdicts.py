"""Act on audio-model's verdicts in FreeSWITCH, through its event socket (mod_event_socket).

    python3 verdicts.py                          127.0.0.1:8021 with the password ClueCon
    python3 verdicts.py HOST PORT PASSWORD

Each verdict becomes the channel variables audio_model_verdict, _score and _reason, and the call of
a recording goes to the extension "recorded". Others are let alone. Needs nothing but Python 3.11.
"""

import json
import socket
import sys
from collections.abc import Iterator
from typing import BinaryIO

EVENTS = "mod_audio_stream::json mod_audio_fork::json"
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
    return headers, file.read(int(headers.get("Content-Length", 0))).decode()


def commands(event: dict[str, str], transferred: set[str]) -> Iterator[str]:
    """What FreeSWITCH is to do about an event of the module, whose body is ours.

    ``transferred`` holds the channels that were, while more events of them may come.
    """
    channel, said = event["Unique-ID"], json.loads(event["_body"])
    verdict = said.get("data", said)
    for name in ("verdict", "score", "reason"):
        yield f"uuid_setvar {channel} audio_model_{name} {verdict[name]}"
    if verdict["verdict"] == "recorded" and channel not in transferred:
        transferred.add(channel)
        yield f"uuid_transfer {channel} {RECORDED}"
    if verdict["event"] == "final":
        # Nothing more will be said, so nothing more need be sent.
        transferred.discard(channel)
        module = "audio_fork" if "audio_fork" in event["Event-Subclass"] else "audio_stream"
        yield f"uuid_{module} {channel} stop"


def main(host: str = "127.0.0.1", port: str = "8021", password: str = "ClueCon") -> None:
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
            for command in commands(json.loads(body), transferred):
                print(command, flush=True)
                connection.sendall(f"api {command}\n\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
