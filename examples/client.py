"""Send a recording as a live call would come, and print what is said of it while it is sent.

    python client.py call.wav
    python client.py call.wav "ws://127.0.0.1:8080/v1/stream?call=42&progress=1"

Needs Python 3.11 and aiohttp. WAV files of 16-bit PCM, mu-law and A-law, of one channel or two.
Exit status 0: every channel has its final event; 1: not, so that its call should pass.
"""

import asyncio
import struct
import sys
import time
from pathlib import Path

try:
    import aiohttp
except ModuleNotFoundError:
    print(__doc__)
    sys.exit("aiohttp is missing: pip install aiohttp, or run this with .venv-gateway/bin/python")

URL = "ws://127.0.0.1:8080/v1/stream"
ENCODINGS = {(1, 16): "s16le", (6, 8): "alaw", (7, 8): "mulaw"}
PACKETS_A_SECOND = 50


def read_wav(path: str) -> tuple[dict[str, str | int], int, bytes]:
    """Return the query that describes the audio, bytes a sample of all channels, and the audio."""
    chunks: dict[bytes, bytes] = {}
    content, at = Path(path).read_bytes(), 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        chunks[name] = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    # Of a chunk that was cut short, what is missing reads as zero.
    kind, channels, sample_rate, _, frame_bytes, bits = struct.unpack_from(
        "<HHIIHH", chunks.get(b"fmt ", b"") + bytes(16)
    )
    if (kind, bits) not in ENCODINGS or b"data" not in chunks:
        sys.exit(f"{path}: neither 16-bit PCM nor G.711")
    query = {"encoding": ENCODINGS[kind, bits], "sample_rate": sample_rate, "channels": channels}
    return query, frame_bytes, chunks[b"data"]


async def send(socket: aiohttp.ClientWebSocketResponse, audio: bytes, packet_bytes: int) -> None:
    """Send the audio in packets as it would be spoken, and then the stop."""
    began = time.monotonic()
    for number, start in enumerate(range(0, len(audio), packet_bytes), 1):
        await socket.send_bytes(audio[start : start + packet_bytes])
        await asyncio.sleep(began + number / PACKETS_A_SECOND - time.monotonic())
    await socket.send_str('{"event": "stop"}')


async def main(path: str, url: str = URL) -> int:
    """Send a recording, print its events and return the exit status."""
    query, frame_bytes, audio = read_wav(path)
    packet_bytes = int(query["sample_rate"]) // PACKETS_A_SECOND * frame_bytes
    waiting = query["channels"]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, params=query) as socket:
        sending = asyncio.create_task(send(socket, audio, packet_bytes))
        async for message in socket:
            event = message.json()
            print("{event:8} {leg:6} {verdict:8} {score} {reason} {seconds} s".format(**event))
            waiting -= event["event"] == "final"
            if not waiting:
                break
        sending.cancel()
    return 1 if waiting else 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0)
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        sys.exit(asyncio.run(main(*sys.argv[1:])))
    except OSError as error:
        # The recording can't be read, or nobody listens.
        sys.exit(str(error))
    except (aiohttp.ClientError, ValueError) as error:
        sys.exit(f"{sys.argv[-1]}: {type(error).__name__}: {error}")
