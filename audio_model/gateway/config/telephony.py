"""Settings of the telephony beside WebSockets: AudioSocket, RTP, and Asterisk's interfaces."""

from dataclasses import dataclass
from typing import Any

from audio_model.gateway.asterisk.action import Action, HangUp
from audio_model.gateway.config import values
from audio_model.gateway.config.options import option
from audio_model.gateway.config.values import Address, PortRange, Secret

_RTP_PORTS = PortRange(30000, 30999)


@dataclass(frozen=True)
class Protocols:
    """Off unless an address is given."""

    audiosocket: Address | None = option(
        None, values.address, "HOST:PORT", "take Asterisk AudioSocket connections (TCP)"
    )
    audiosocket_hangup: HangUp = option(
        HangUp.NEVER,
        values.choice(HangUp),
        "WHEN",
        "end AudioSocket() after a verdict, so the dialplan goes on: never, recorded, always",
    )
    rtpengine: Address | None = option(
        None,
        values.address,
        "HOST:PORT",
        "ng port of an rtpengine: hear the calls that POST /v1/rtpengine names",
    )
    siprec: Address | None = option(
        None, values.address, "HOST:PORT", "take SIPREC sessions: SIP over UDP and TCP"
    )
    rtp_host: str = option(
        "127.0.0.1", values.text, "ADDRESS", "local address for RTP of rtpengine and SIPREC"
    )
    rtp_ports: PortRange = option(_RTP_PORTS, values.port_range, "FIRST-LAST", "UDP ports for RTP")


def _action() -> Any:
    return option(
        Action.VARIABLE,
        values.choice(Action),
        "WHAT",
        "variable: set AMDSTATUS and others; hangup: hang up on a recording; transfer (only AMI): "
        "set them, and send a recording to --ami-transfer-to",
    )


@dataclass(frozen=True)
class Ami:
    """Report verdicts on AudioSocket and /asterisk calls to Asterisk's Manager Interface."""

    address: Address | None = option(
        None, values.address, "HOST:PORT", "address of the Manager Interface"
    )
    user: str = option("", values.text, "NAME", "user of the Manager Interface")
    secret: Secret | None = option(None, values.secret_file, "FILE", "file of the user's secret")
    action: Action = _action()
    transfer_to: str = option(
        "",
        values.extension,
        "EXTEN@CONTEXT",
        "extension to which --ami-action transfer sends recordings",
    )


@dataclass(frozen=True)
class Ari:
    """Hear and report on channels that enter Stasis(audio-model), by Asterisk's REST Interface."""

    address: Address | None = option(
        None, values.address, "HOST:PORT", "address of Asterisk's HTTP server"
    )
    user: str = option("", values.text, "NAME", "user of the REST Interface")
    secret: Secret | None = option(None, values.secret_file, "FILE", "file of the user's password")
    action: Action = _action()
