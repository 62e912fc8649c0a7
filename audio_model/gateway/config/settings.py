"""The settings of ``serve``: each a flag, an environment variable and a line of a TOML file."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audio_model.errors import UsageError
from audio_model.gateway.asterisk.action import Action
from audio_model.gateway.config import options, values
from audio_model.gateway.config.options import group, option
from audio_model.gateway.config.telephony import AmiSettings, AriSettings, Protocols
from audio_model.gateway.config.tenants import GatewaySecrets, Tenant, read_tenants, same_secret
from audio_model.gateway.config.values import LogFormat, LogLevel, Secret
from audio_model.known.recent import DEFAULT_CALLS, DEFAULT_DAYS, DEFAULT_HOURS, DEFAULT_RECORDINGS
from audio_model.ranges.breaker import Policy
from audio_model.ranges.change import ChangeTest
from audio_model.ranges.rates import DetectorRates
from audio_model.rule import DEFAULT_MAX_FALSE_ALARM
from audio_model.stream import DEFAULT_WAIT_SECONDS

ENVIRONMENT = "AUDIO_MODEL_SERVE_"
_CONFIG = ENVIRONMENT + "CONFIG"

_SHARE = values.number(1e-6, 1 - 1e-6, "X")
_BUDGET = values.number(1e-9, 1e6, "X")


@dataclass(frozen=True)
class Listening:
    """Only this machine can reach the server unless --host says otherwise."""

    host: str = option("127.0.0.1", values.host, "address of the HTTP and WebSocket server")
    port: int = option(
        8080,
        values.integer(0, 65535, "PORT"),
        "port of the HTTP and WebSocket server; 0: any free port",
    )
    reuse_port: bool = option(
        False,
        values.switch,
        "let several processes listen on the same ports as one server, with shared limits, "
        "calls, events and metrics, and restart without a gap",
    )
    tls_certificate: Path | None = option(
        None, values.file, "PEM file of the certificate and its chain: https and wss"
    )
    tls_key: Path | None = option(None, values.file, "PEM file of the certificate's key")
    public_url: str = option(
        "", values.url, "address of the server behind a proxy; Twilio and Plivo sign it"
    )


@dataclass(frozen=True)
class Detection:
    """Set when a verdict is given, and how sure it must be."""

    max_false_alarm: float = option(
        DEFAULT_MAX_FALSE_ALARM,
        values.number(0, 1, "RATE"),
        "share of live callers who may be called recorded",
    )
    deadline_seconds: float = option(
        4.0, values.seconds(0.1), "wall-clock time from a leg's first voice to its final verdict"
    )
    wait_seconds: float = option(
        DEFAULT_WAIT_SECONDS,
        values.seconds(0),
        "wait S seconds for the first voice; a verdict takes these and the deadline at most",
    )
    again_seconds: float = option(
        0.0,
        values.seconds(0),
        "hear a leg again every S seconds after its final verdict; an event revised says that "
        "a recording began or a human took over; 0: never",
    )
    listen_seconds: float | None = option(
        None,
        values.seconds(0.1),
        "seconds of a leg to hear from its first voice on; by default as the model says",
    )
    progress_seconds: float = option(
        0.0, values.seconds(0), "seconds of audio between progress events; 0: none"
    )
    model: Path | None = option(None, values.file, "another model than the one shipped")
    known: Path | None = option(
        None, values.store, "find calls that repeat a recording of this store"
    )
    known_learn: bool = option(
        False, values.switch, "learn what two calls hold, and calls of which the network is sure"
    )
    known_keep_hours: float = option(
        DEFAULT_HOURS,
        values.number(0.01, 8760, "H"),
        "keep the codes of calls for H hours, to learn from",
    )
    known_keep_calls: int = option(
        DEFAULT_CALLS, values.integer(2, 1_000_000_000), "keep N calls at most"
    )
    known_keep_days: float = option(
        DEFAULT_DAYS,
        values.number(0.01, 36_500, "D"),
        "forget learnt recordings that were not heard for D days",
    )
    known_keep_recordings: int = option(
        DEFAULT_RECORDINGS, values.integer(1, 1_000_000_000), "keep N learnt recordings at most"
    )


@dataclass(frozen=True)
class Access(GatewaySecrets):
    """Restrict who may connect. By default anybody who reaches the server may. With a token,
    requests need "Authorization: Bearer TOKEN"; gateways that can't send it use ?token=TOKEN.
    """

    token: Secret | None = option(None, values.secret_file, "file of the bearer token")
    tenants: tuple[Tenant, ...] = option(
        (), read_tenants, "TOML file with a table for each tenant: its token, terms and webhook"
    )


@dataclass(frozen=True)
class Limits:
    """A machine that is full answers new legs at once with "unknown: overload"."""

    max_legs: int = option(2000, values.integer(1, 1_000_000), "legs heard at once")
    max_connections: int = option(
        5000, values.integer(1, 1_000_000), "WebSocket connections at once"
    )
    max_message_bytes: int = option(
        262_144,
        values.integer(1024, 1 << 30),
        "largest WebSocket message; a larger one ends the connection",
    )
    idle_seconds: float = option(
        300.0, values.seconds(1, 86_400), "close a WebSocket after S seconds without a message"
    )
    max_call_seconds: float = option(
        14_400.0, values.seconds(1, 604_800), "close a WebSocket after S seconds"
    )


@dataclass(frozen=True)
class Webhook:
    """Verdicts and final verdicts are POSTed as JSON, signed and retried."""

    url: str = option("", values.url, "address that receives the events")
    secret: Secret | None = option(
        None, values.secret_file, "file of the key that signs (X-Audio-Model-Signature)"
    )
    retries: int = option(5, values.integer(0, 20), "further attempts after a failed request")
    connections: int = option(64, values.integer(1, 10_000), "open requests at most")
    batch: int = option(
        1,
        values.integer(1, 1000),
        "events in one request at most, for receivers that accept several",
    )
    spool: Path | None = option(
        None,
        values.folder,
        "keep events in DIR until they are delivered, for a day; if the server is killed, the "
        "next one posts them",
    )


@dataclass(frozen=True)
class NumberRanges:
    """Count calls by the caller's range, to find ranges that keep calling with recordings. You get
    the advice by GET /v1/ranges/NUMBER, the webhook and Asterisk's variables. Nothing is
    blocked here.
    """

    ranges: Path | None = option(
        None, values.store, "store of the counts; several servers may share it"
    )
    ranges_honest_share: float = option(
        ChangeTest.honest, _SHARE, "share of recordings that an honest range may play"
    )
    ranges_campaign_share: float = option(
        ChangeTest.bad, _SHARE, "share of recordings that a campaign plays in its range"
    )
    ranges_warnings: float = option(
        Policy.warnings, _BUDGET, "error budget: warnings a month of an honest range"
    )
    ranges_openings: float = option(
        Policy.openings, _BUDGET, "error budget: chance a month that an honest range is opened"
    )

    def policy(self, rates: DetectorRates) -> Policy:
        """Return when breakers move, for a detector with these rates. Raises UsageError."""
        test = ChangeTest(rates, self.ranges_honest_share, self.ranges_campaign_share)
        return Policy(test, self.ranges_warnings, self.ranges_openings)


@dataclass(frozen=True)
class Records:
    """No audio is stored unless --keep-audio asks for it."""

    keep_audio: Path | None = option(
        None, values.folder, "keep the audio of legs that end as unknown in DIR, for review"
    )
    keep_audio_megabytes: int = option(
        1000,
        values.integer(1, 10_000_000),
        "megabytes of kept audio, beyond which the oldest is deleted",
    )
    calls: Path | None = option(
        None, values.store, "write every call to this store, for audio-model desk"
    )
    hash_numbers: bool = option(
        True, values.switch, "write phone numbers as hashes to the log and to DIR"
    )
    hash_salt: Secret | None = option(
        None,
        values.secret_file,
        "file of the hashes' key, which keeps a number's hash over restarts",
    )
    log_level: LogLevel = option(
        LogLevel.INFO, values.choice(LogLevel, "LEVEL"), "debug, info, warning or error"
    )
    log_format: LogFormat = option(
        LogFormat.TEXT, values.choice(LogFormat, "FORMAT"), "text or json"
    )


@dataclass(frozen=True)
class Settings:
    """All settings of ``serve``."""

    listening: Listening = group(Listening, "where to listen")
    protocols: Protocols = group(Protocols, "other protocols")
    detection: Detection = group(Detection, "the verdict")
    access: Access = group(Access, "access")
    limits: Limits = group(Limits, "limits")
    webhook: Webhook = group(Webhook, "webhook", prefix="webhook_")
    ami: AmiSettings = group(AmiSettings, "Asterisk AMI", prefix="ami_")
    ari: AriSettings = group(AriSettings, "Asterisk ARI", prefix="ari_")
    number_ranges: NumberRanges = group(NumberRanges, "number ranges")
    records: Records = group(Records, "logs and kept audio")

    def __post_init__(self) -> None:
        """Raise UsageError for settings that contradict each other."""
        listening, access = self.listening, self.access
        if (listening.tls_certificate is None) is not (listening.tls_key is None):
            raise UsageError("--tls-certificate and --tls-key: one needs the other")
        if self.detection.known_learn and self.detection.known is None:
            raise UsageError("--known-learn needs --known, the store that learns")
        if bool(self.webhook.url) is not (self.webhook.secret is not None):
            raise UsageError("--webhook-url and --webhook-secret-file: one needs the other")
        if self.webhook.spool is not None and not self.webhook.url:
            raise UsageError("--webhook-spool needs --webhook-url")
        for tenant in access.tenants:
            if shared := same_secret(access, tenant):
                flag = shared.replace("_", "-")
                raise UsageError(f"--tenants: {tenant.name} has the secret of --{flag}-file")
        if access.genesys_client_secret is not None and access.genesys_api_key is None:
            raise UsageError("--genesys-client-secret-file needs --genesys-api-key-file")
        if self.ari.address is not None and self.protocols.audiosocket is None:
            raise UsageError("--ari-address needs --audiosocket, by which Asterisk sends the audio")
        if self.ari.address is not None and listening.reuse_port:
            raise UsageError("--ari-address and --reuse-port: only one process can serve Stasis()")
        if (self.ami.action is Action.TRANSFER) is not bool(self.ami.transfer_to):
            raise UsageError("--ami-action transfer and --ami-transfer-to: one needs the other")
        if self.ari.action is Action.TRANSFER:
            raise UsageError(
                "--ari-action transfer: ARI can't move a channel that is in the dialplan; give "
                "--ami-action transfer beside --ari-address"
            )
        for name, pbx in (("ami", self.ami), ("ari", self.ari)):
            if pbx.address is not None and not (pbx.user and pbx.secret):
                raise UsageError(f"--{name}-address needs --{name}-user and --{name}-secret-file")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``serve``."""
    parser.add_argument("--config", metavar="FILE", help="TOML file with the options below")
    options.add_arguments(parser, Settings)


def load(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from flags, environment, file and defaults.

    Raises UsageError, which names the option and where it was given.
    """
    config = arguments.config or environ.get(_CONFIG)
    return options.load(
        Settings,
        arguments,
        environ,
        prefix=ENVIRONMENT,
        config=Path(config) if config else None,
    )
