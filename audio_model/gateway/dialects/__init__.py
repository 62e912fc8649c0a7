"""The dialects: one module for each gateway's protocol over a WebSocket."""

from audio_model.gateway.dialects.asterisk import Asterisk
from audio_model.gateway.dialects.audiohook import AudioHook
from audio_model.gateway.dialects.base import Connection, Dialect, ProtocolError
from audio_model.gateway.dialects.exotel import Exotel
from audio_model.gateway.dialects.freeswitch import FreeSwitch
from audio_model.gateway.dialects.jambonz import Jambonz
from audio_model.gateway.dialects.plain import Plain
from audio_model.gateway.dialects.plivo import Plivo
from audio_model.gateway.dialects.telnyx import Telnyx
from audio_model.gateway.dialects.twilio import Twilio
from audio_model.gateway.dialects.vonage import Vonage

__all__ = ["DIALECTS", "Connection", "Dialect", "ProtocolError"]

_ALL: tuple[type[Dialect], ...] = (
    Twilio,
    Telnyx,
    Plivo,
    Exotel,
    Vonage,
    FreeSwitch,
    Jambonz,
    AudioHook,
    Asterisk,
    Plain,
)

DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in _ALL}
"""By name."""
