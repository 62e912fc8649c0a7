"""Place one call with streamdouble and print what was sent. Runs in streamdouble's environment.

Reads a JSON object from standard input: ``url``; ``audio`` and ``agent_audio``, µ-law in base64;
``loss``, ``jitter_ms`` and ``seed``; ``fork``. Prints another.
"""

import asyncio
import base64
import json
import sys
from pathlib import Path

from streamdouble.chaos import Impairments
from streamdouble.protocol import StreamIdentity
from streamdouble.session import Session, SessionConfig
from streamdouble.trace import Trace, TraceConfig

FRAME_BYTES = 160


def frames(text: str) -> list[bytes]:
    audio = base64.b64decode(text)
    whole = len(audio) // FRAME_BYTES * FRAME_BYTES
    return [audio[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES)]


asked = json.load(sys.stdin)
identity = StreamIdentity()
trace = Trace(TraceConfig(Path("unused"), payloads=True))
agent_frames = frames(asked["agent_audio"])
config = SessionConfig(
    # Nobody answers: the server is expected to say nothing.
    response_timeout_s=0.3,
    quiet_period_s=0.1,
    impairments=Impairments(loss=asked["loss"], jitter_ms=asked["jitter_ms"]),
    chaos_seed=asked["seed"],
    custom_parameters={"caller": "+15550100"},
    echo_marks=not asked["fork"],
    fork=asked["fork"],
    strict_fork=True,
    tracks=["inbound", "outbound"] if agent_frames else ["inbound"],
    agent_frames=agent_frames,
    trace=trace,
)
session = Session(asked["url"], frames(asked["audio"]), config=config, identity=identity)
result = asyncio.run(session.run())
print(
    json.dumps(
        {
            "call_id": identity.call_sid,
            "lost": result.frames_dropped,
            "received": sum(record["dir"] == "in" for record in trace.records),
            "violations": [str(violation) for violation in result.violations],
            "closed_early": result.closed_early,
            "sent": [
                {
                    "track": record["track"],
                    "timestamp_ms": int(record["timestamp_ms"]),
                    "payload": record["payload"],
                }
                for record in trace.records
                if record["event"] == "media"
            ],
        }
    )
)
