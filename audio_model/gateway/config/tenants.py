"""Tenants that share one server, each with a token, terms and a webhook of its own."""

import re
from dataclasses import MISSING, dataclass
from pathlib import Path

from audio_model.errors import UsageError
from audio_model.gateway.config import options, values
from audio_model.gateway.config.options import option
from audio_model.gateway.config.values import Secret

TELLING_SECRETS = ("token", "twilio_auth_token", "plivo_auth_token", "genesys_api_key")
"""Secrets that identify a tenant's calls. No two tenants may have the same."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class GatewaySecrets:
    """Secrets of gateways that sign their connections, or name themselves by a key."""

    twilio_auth_token: Secret | None = option(
        None,
        values.secret_file,
        "file of the auth token of Twilio's account or subaccount: /twilio needs "
        "X-Twilio-Signature",
    )
    plivo_auth_token: Secret | None = option(
        None,
        values.secret_file,
        "file of the auth token of Plivo's account or subaccount: /plivo needs its V3 signature",
    )
    genesys_api_key: Secret | None = option(
        None, values.secret_file, "file of the API key: /audiohook needs it as X-API-KEY"
    )
    genesys_client_secret: Secret | None = option(
        None,
        values.secret_file,
        "file of the client secret: /audiohook needs its signature, too",
    )


@dataclass(frozen=True)
class Tenant(GatewaySecrets):
    """A table of the file. A setting that it leaves out is the server's."""

    name: str
    token: Secret = option(MISSING, values.secret_file, "file of its bearer token")
    deadline_seconds: float | None = option(None, values.seconds(0.1), "see --deadline-seconds")
    wait_seconds: float | None = option(None, values.seconds(0), "see --wait-seconds")
    listen_seconds: float | None = option(None, values.seconds(0.1), "see --listen-seconds")
    max_false_alarm: float | None = option(
        None, values.number(0, 1, "RATE"), "see --max-false-alarm"
    )
    max_legs: int | None = option(None, values.integer(1, 1_000_000), "of its legs heard at once")
    webhook_url: str = option("", values.url, "where its events are posted")
    webhook_secret: Secret | None = option(
        None, values.secret_file, "file of the key that signs them"
    )


@values.kind("FILE")
def read_tenants(path_text: str) -> tuple[Tenant, ...]:
    """Read a TOML file of tenants, a table for each.

    Raises ValueError for a file that can't be read, UsageError for what is wrong in it.
    """
    path: Path = values.file(path_text)
    tenants = []
    for name, lines in options.read_toml(path, "--tenants").items():
        where = f"{path}: [{name}]"
        if not _NAME.fullmatch(name):
            raise UsageError(f"{where}: a tenant's name has letters, digits, - and _ alone")
        if not isinstance(lines, dict):
            raise UsageError(f"{path}: {name}: must be in the table of a tenant: [tenant]")
        tenant = Tenant(name, **options.read_table(Tenant, lines, where))
        if bool(tenant.webhook_url) is not (tenant.webhook_secret is not None):
            raise UsageError(f"{where}: webhook_url and webhook_secret_file: one needs the other")
        if tenant.genesys_client_secret is not None and tenant.genesys_api_key is None:
            raise UsageError(f"{where}: genesys_client_secret_file needs genesys_api_key_file")
        tenants.append(tenant)
    for at, tenant in enumerate(tenants):
        for earlier in tenants[:at]:
            if shared := same_secret(earlier, tenant):
                raise UsageError(
                    f"{path}: [{tenant.name}]: {shared}_file: [{earlier.name}] has the same secret"
                )
    return tuple(tenants)


def same_secret(one: object, other: object) -> str:
    """Return the name of a secret that both have; empty if there is none.

    Each is a tenant, or the server's settings, which have secrets by the same names.
    """
    for name in TELLING_SECRETS:
        secret = getattr(one, name)
        if secret is not None and secret == getattr(other, name):
            return name
    return ""
