"""Settings of the telephony beside WebSockets: AudioSocket, RTP, and Asterisk's interfaces."""

from dataclasses import dataclass
from typing import Annotated

from audio_model.gateway.asterisk.action import Action, HangUp
from audio_model.gateway.config import values
from audio_model.gateway.config.options import Given
from audio_model.gateway.config.values import Address, PortRange, Secret

_RTP_PORTS = PortRange(30000, 30999)


@dataclass(frozen=True)
class Protocols:
    """Off unless an address is given."""

    audiosocket: Annotated[
        Address | None,
        Given(values.address, "HOST:PORT", "take Asterisk AudioSocket connections (TCP)"),
    ] = None
    audiosocket_hangup: Annotated[
        HangUp,
        Given(
            values.choice(HangUp),
            "WHEN",
            "end AudioSocket() after a verdict, so the dialplan goes on: never, recorded, always",
        ),
    ] = HangUp.NEVER
    rtpengine: Annotated[
        Address | None,
        Given(
            values.address,
            "HOST:PORT",
            "ng port of an rtpengine: hear the calls that POST /v1/rtpengine names",
        ),
    ] = None
    siprec: Annotated[
        Address | None,
        Given(values.address, "HOST:PORT", "take SIPREC sessions: SIP over UDP and TCP"),
    ] = None
    rtp_host: Annotated[
        str, Given(values.text, "ADDRESS", "local address for RTP of rtpengine and SIPREC")
    ] = "127.0.0.1"
    rtp_ports: Annotated[PortRange, Given(values.port_range, "FIRST-LAST", "UDP ports for RTP")] = (
        _RTP_PORTS
    )


_ActionOption = Annotated[
    Action,
    Given(
        values.choice(Action),
        "WHAT",
        "variable: set AMDSTATUS and others; hangup: hang up on a recording; transfer (only AMI): "
        "set them, and send a recording to --ami-transfer-to",
    ),
]


@dataclass(frozen=True)
class Ami:
    """Report verdicts on AudioSocket and /asterisk calls to Asterisk's Manager Interface."""

    address: Annotated[
        Address | None, Given(values.address, "HOST:PORT", "address of the Manager Interface")
    ] = None
    user: Annotated[str, Given(values.text, "NAME", "user of the Manager Interface")] = ""
    secret: Annotated[
        Secret | None, Given(values.secret_file, "FILE", "file of the user's secret")
    ] = None
    action: _ActionOption = Action.VARIABLE
    transfer_to: Annotated[
        str,
        Given(
            values.extension,
            "EXTEN@CONTEXT",
            "extension to which --ami-action transfer sends recordings",
        ),
    ] = ""


@dataclass(frozen=True)
class Ari:
    """Hear and report on channels that enter Stasis(audio-model), by Asterisk's REST Interface."""

    address: Annotated[
        Address | None, Given(values.address, "HOST:PORT", "address of Asterisk's HTTP server")
    ] = None
    user: Annotated[str, Given(values.text, "NAME", "user of the REST Interface")] = ""
    secret: Annotated[
        Secret | None, Given(values.secret_file, "FILE", "file of the user's password")
    ] = None
    action: _ActionOption = Action.VARIABLE
