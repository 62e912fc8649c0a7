"""Settings of the telephony beside WebSockets: AudioSocket, RTP, and Asterisk's interfaces."""

from dataclasses import dataclass

from audio_model.gateway.asterisk.action import Action, HangUp
from audio_model.gateway.config import values
from audio_model.gateway.config.options import option
from audio_model.gateway.config.values import Address, PortRange, Secret

_RTP_PORTS = PortRange(30000, 30999)


@dataclass(frozen=True)
class Protocols:
    """Off unless an address is given."""

    audiosocket: Address | None = option(
        None, values.address, "take Asterisk AudioSocket connections (TCP)"
    )
    audiosocket_hangup: HangUp = option(
        HangUp.NEVER,
        values.choice(HangUp, "WHEN"),
        "end AudioSocket() after a verdict, so the dialplan goes on: never, recorded, always",
    )
    rtpengine: Address | None = option(
        None,
        values.address,
        "ng port of an rtpengine: hear the calls that POST /v1/rtpengine names",
    )
    siprec: Address | None = option(
        None, values.address, "take SIPREC sessions: SIP over UDP and TCP"
    )
    rtp_host: str = option(
        "127.0.0.1", values.host, "local address for RTP of rtpengine and SIPREC"
    )
    rtp_ports: PortRange = option(_RTP_PORTS, values.port_range, "UDP ports for RTP")


@dataclass(frozen=True)
class _Interface:
    address: Address | None = option(None, values.address, "address on which Asterisk serves it")
    user: str = option("", values.name, "user who signs in there")
    secret: Secret | None = option(None, values.secret_file, "file of the user's secret")
    action: Action = option(
        Action.VARIABLE,
        values.choice(Action, "WHAT"),
        "variable: set AMDSTATUS and others; hangup: hang up on a recording; transfer (only AMI): "
        "set them, and send a recording to --ami-transfer-to",
    )


@dataclass(frozen=True)
class AmiSettings(_Interface):
    """Report verdicts on AudioSocket and /asterisk calls to Asterisk's Manager Interface."""

    transfer_to: str = option(
        "", values.extension, "extension to which --ami-action transfer sends recordings"
    )


@dataclass(frozen=True)
class AriSettings(_Interface):
    """Hear and report on channels that enter Stasis(audio-model), by Asterisk's REST Interface."""
