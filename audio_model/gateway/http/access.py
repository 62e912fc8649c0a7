"""Access control: a bearer token, or the signature of a gateway's handshake."""

import base64
import binascii
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from aiohttp import web

from audio_model.gateway.config.settings import Access
from audio_model.gateway.config.tenants import Tenant
from audio_model.gateway.config.values import Secret
from audio_model.gateway.http.errors import HttpError
from audio_model.gateway.http.signatures import (
    AuthError,
    check_genesys,
    check_genesys_key,
    check_plivo,
    check_twilio,
)
from audio_model.gateway.outlets.metrics import Metrics
from audio_model.gateway.outlets.security import same

logger = logging.getLogger(__name__)

_Check = Callable[[Mapping[str, str], str, str], None]
"""Checks headers, URL and secret. Raises AuthError."""

_Signer = tuple[Tenant | None, list[tuple[_Check, Secret]]]
"""The tenant that signs a gateway's handshakes (None: the server's own account), and the check."""

_TELNYX_HEADER = "x-telnyx-streaming-auth-token"


class AccessControl:
    """Checks who may connect, and raises HttpError 401 for everybody else.

    Without any secret everybody may connect. With one, each path needs the token, unless the path
    has a secret of its own.
    """

    def __init__(self, access: Access, public_url: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self.change(access, public_url)
        self._quiet_until = 0.0

    def change(self, access: Access, public_url: str) -> None:
        """Use these settings from now on."""
        self._token, self._public_url = access.token, public_url
        self._tenants = access.tenants
        self._gateways: dict[str, list[_Signer]] = {}
        for owner in (None, *access.tenants):
            for gateway, checks in _checks(access if owner is None else owner).items():
                self._gateways.setdefault(gateway, []).append((owner, checks))
        self._open = access == Access()

    def check(self, request: web.Request) -> None:
        """Check an HTTP request that concerns the whole server. Raises HttpError."""
        if self.check_reader(request) is not None:
            raise HttpError(403, "not_for_tenants", "this concerns more than one tenant")

    def check_reader(self, request: web.Request, *, in_query: bool = False) -> Tenant | None:
        """Check an HTTP request that tenants may make, too, and return the tenant, if it is one.

        ``in_query`` accepts the token in the query, for clients that can't send headers.
        """
        if self._open or self._has_token(request, in_query):
            return None
        if (tenant := self._tenant(request, in_query)) is not None:
            return tenant
        raise self._denied(request, "a token is needed: Authorization: Bearer ...")

    def check_gateway(self, request: web.Request, gateway: str) -> Tenant | None:
        """Check a WebSocket's handshake, and return the tenant of its call; None for the server's.

        The server's token and a tenant's are accepted from every gateway. A signed handshake
        belongs to the one whose secret signed it.
        """
        if self._open or self._has_token(request, in_query=True):
            return None
        if (tenant := self._tenant(request, in_query=True)) is not None:
            return tenant
        if gateway not in self._gateways:
            raise self._denied(request, "a token is needed: Authorization: Bearer, or ?token=")
        found, refusals = [], []
        for owner, checks in self._gateways[gateway]:
            # All of them: how long it takes must not tell which one it was.
            try:
                for check, secret in checks:
                    check(request.headers, self._url(request), secret.value)
                found.append(owner)
            except AuthError as error:
                refusals.append(str(error))
        if not found:
            raise self._denied(request, refusals[0])
        return found[0]

    def _has_token(self, request: web.Request, in_query: bool) -> bool:
        return self._token is not None and _gives(request, self._token, in_query)

    def _tenant(self, request: web.Request, in_query: bool) -> Tenant | None:
        found = None
        for tenant in self._tenants:
            # All of them: how long it takes must not tell which one it was.
            if _gives(request, tenant.token, in_query):
                found = tenant
        return found

    def _url(self, request: web.Request) -> str:
        """Return the address that the gateway was configured to connect to."""
        base = self._public_url or f"{request.scheme}://{request.host}"
        return "ws" + base.removeprefix("http").rstrip("/") + request.raw_path

    def _denied(self, request: web.Request, why: str) -> HttpError:
        self._metrics.refused.labels("unauthorised").inc()
        # Many attempts must not fill the log.
        if monotonic() >= self._quiet_until:
            self._quiet_until = monotonic() + 1
            logger.warning("%s: refused: %s", request.path, why)
        return HttpError(401, "unauthorised", why, {"WWW-Authenticate": "Bearer"})


def _gives(request: web.Request, token: Secret, in_query: bool) -> bool:
    """Return whether a request has a token.

    The comparison takes the same time wherever it differs.
    """
    given = [_authorization(request.headers), request.headers.get(_TELNYX_HEADER, "")]
    if in_query:
        given.append(request.query.get("token", ""))
    return any([same(one, token) for one in given])


def _checks(owner: Access | Tenant) -> dict[str, list[tuple[_Check, Secret]]]:
    """Return the checks of a handshake that is the owner's, for the gateways with a secret."""
    every: list[tuple[str, _Check, Secret | None]] = [
        ("twilio", check_twilio, owner.twilio_auth_token),
        ("plivo", check_plivo, owner.plivo_auth_token),
        ("audiohook", check_genesys_key, owner.genesys_api_key),
        ("audiohook", check_genesys, owner.genesys_client_secret),
    ]
    checks: dict[str, list[tuple[_Check, Secret]]] = {}
    for gateway, check, secret in every:
        if secret is not None:
            checks.setdefault(gateway, []).append((check, secret))
    return checks


def _authorization(headers: Mapping[str, str]) -> str:
    """Return the token of an Authorization header: Bearer, or the password of Basic; else empty.

    Exotel and Asterisk send user and password where their settings have them.
    """
    value = headers.get("Authorization", "")
    scheme, _, credentials = value.partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            try:
                decoded = base64.b64decode(credentials.strip(), validate=True)
            except binascii.Error:
                return ""
            return decoded.partition(b":")[2].decode("utf-8", "surrogateescape")
    return ""
