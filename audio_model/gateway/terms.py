"""The terms on which a call is heard: the server's, its tenant's, or what its URL asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from audio_model.errors import UsageError
from audio_model.gateway.config import values
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.config.values import ValueKind

ASKED: Mapping[str, tuple[str, ValueKind]] = {
    "deadline": ("deadline_seconds", values.seconds(0.1)),
    "wait": ("wait_seconds", values.seconds(0)),
    "listen": ("listen_seconds", values.seconds(0.1)),
    "budget": ("max_false_alarm", values.number(0, 1, "RATE")),
}
"""The terms that a URL's query may ask for, and of what kind each is."""


@dataclass(frozen=True)
class Terms:
    """How the legs of a call are heard, and which tenant the call belongs to."""

    deadline_seconds: float
    """Wall-clock time from a leg's first voice to its final event."""
    wait_seconds: float
    """How long the first voice is awaited."""
    listen_seconds: float | None
    """Audio of a leg that is heard from its first voice on; None: as the model is made for."""
    max_false_alarm: float
    """Share of live callers who may be called recorded."""
    tenant: str = ""
    max_legs: int | None = None
    """The tenant's legs that are heard at once; None: as many as the server hears."""

    def of(self, tenant: Tenant | None) -> "Terms":
        """Return a tenant's terms. What the tenant leaves out is as it is for everybody."""
        if tenant is None:
            return self
        said = {
            name: getattr(tenant, name)
            for name in (*(term for term, _ in ASKED.values()), "max_legs")
        }
        given = {name: value for name, value in said.items() if value is not None}
        return replace(self, tenant=tenant.name, **given)

    def asked(self, query: Mapping[str, str]) -> "Terms":
        """Return the terms that a URL asks for. Raises UsageError, which names what is wrong."""
        given = {}
        for name, (term, parse) in ASKED.items():
            if name in query:
                try:
                    given[term] = parse(query[name])
                except ValueError as error:
                    raise UsageError(f"{name} {error}") from error
        return replace(self, **given) if given else self
