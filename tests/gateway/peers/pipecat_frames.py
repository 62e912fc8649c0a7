"""Let pipecat's serializers write and read gateways' messages. Runs in pipecat's environment.

Reads a JSON object from standard input: ``rate``; ``packets``, PCM in base64; ``messages``, by
dialect, texts or ``{"binary": base64}``. Prints ``written``, the packets as messages of each
dialect, and ``read``, the PCM of each dialect's messages.
"""

import asyncio
import base64
import json
import sys
from types import SimpleNamespace

from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.genesys import GenesysAudioHookSerializer
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.serializers.vonage import VonageFrameSerializer


def serializers(rate):
    def telnyx(encoding):
        params = TelnyxFrameSerializer.InputParams(auto_hang_up=False)
        return TelnyxFrameSerializer("stream", encoding, encoding, params=params)

    return {
        "twilio": TwilioFrameSerializer(
            "MZ1", params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
        ),
        "telnyx PCMU": telnyx("PCMU"),
        "telnyx PCMA": telnyx("PCMA"),
        "plivo": PlivoFrameSerializer(
            "stream", params=PlivoFrameSerializer.InputParams(auto_hang_up=False)
        ),
        "exotel": ExotelFrameSerializer(
            "stream", params=ExotelFrameSerializer.InputParams(exotel_sample_rate=rate)
        ),
        "vonage": VonageFrameSerializer(VonageFrameSerializer.InputParams(vonage_sample_rate=rate)),
        "audiohook": GenesysAudioHookSerializer(),
    }


def packed(message):
    if isinstance(message, str):
        return message
    return {"binary": base64.b64encode(message).decode()}


def unpacked(message):
    return message if isinstance(message, str) else base64.b64decode(message["binary"])


async def main(asked):
    rate = asked["rate"]
    packets = [base64.b64decode(packet) for packet in asked["packets"]]
    written, read = {}, {}
    for name, serializer in serializers(rate).items():
        await serializer.setup(SimpleNamespace(audio_in_sample_rate=rate))
        pcm = []
        for message in asked["messages"].get(name, []):
            frame = await serializer.deserialize(unpacked(message))
            if isinstance(frame, InputAudioRawFrame):
                pcm.append(frame.audio)
        read[name] = base64.b64encode(b"".join(pcm)).decode()
        frames = [OutputAudioRawFrame(packet, rate, 1) for packet in packets]
        messages = [await serializer.serialize(frame) for frame in frames]
        written[name] = [packed(message) for message in messages]
    return {"written": written, "read": read}


print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
