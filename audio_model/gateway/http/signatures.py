"""Check that a WebSocket's handshake comes from the gateway that it names.

There is one function a scheme. It gets the request's headers, the URL that the gateway was
configured to connect to (behind a proxy that differs from the one that arrives here) and the
secret, and raises AuthError. Signatures are compared in a time that doesn't tell where they differ.

Other gateways sign no stream. They send a token, which :mod:`audio_model.gateway.http.access`
checks: Telnyx its ``stream_auth_token`` in the header ``x-telnyx-streaming-auth-token``, Exotel
HTTP basic authentication if its URL has user and password, Vonage an ``Authorization`` header if
configured to.
"""

import base64
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from audio_model.errors import AudioModelError

MAX_CLOCK_SKEW_SECONDS = 3
MAX_AGE_SECONDS = 10
"""The greatest age of AudioHook's signatures, as in Genesys's reference implementation."""

Headers = Mapping[str, str]


class AuthError(AudioModelError):
    """A handshake without the right signature. The message says why, without the secret."""


def check_twilio(headers: Headers, url: str, secret: str) -> None:
    """Check the HMAC-SHA1 of the stream's URL, keyed with the account's auth token.

    Source: Twilio documentation, "Webhooks Security"; "Media Streams Overview" for WebSockets,
    whose handshake has no parameters to sign: the URL alone is signed, with its ``wss`` and as it
    stands in the TwiML. Twilio's helper libraries take it with and without the port, so here too.

    Args:
        secret: the account's auth token.
    """
    given = _required(headers, "x-twilio-signature")
    parts = _split(url)
    host, port = parts.hostname or "", parts.port or _default_port(parts)
    variants = {url, *(_with(parts, netloc=netloc) for netloc in (host, f"{host}:{port}"))}
    expected = [_base64_hmac(secret, variant, "sha1") for variant in variants]
    _compare([given], expected, "X-Twilio-Signature")


def check_plivo(headers: Headers, url: str, secret: str) -> None:
    """Check the HMAC-SHA256 of the URL and a nonce, version 3, keyed with the account's auth token.

    Source: Plivo documentation, "Signature Validation", and Plivo's helper library for the order
    of a query's parameters. The handshake is a GET. Plivo's stream libraries differ over the
    scheme of the signed URL (http, https), so any of the four will do: a signature vouches for the
    host and the path. The header may have several signatures, and that of the main account stands
    in a header of its own.

    Args:
        secret: the auth token of the main account or of the subaccount.
    """
    nonce = _required(headers, "x-plivo-signature-v3-nonce")
    fields = _fields(headers)
    given = [
        signature.strip()
        for name in ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
        for signature in fields.get(name, "").split(",")
        if signature.strip()
    ]
    if not given:
        raise AuthError("there is no X-Plivo-Signature-V3 header")
    parts = _split(url)
    query = "&".join(
        f"{key}={value}" for key, value in sorted(parse_qsl(parts.query, keep_blank_values=True))
    )
    # Plivo puts the parameters in order, decoded.
    rest = f"://{parts.netloc}{parts.path}{'?' if query else ''}{query}.{nonce}"
    expected = [
        _base64_hmac(secret, scheme + rest, "sha256") for scheme in ("wss", "ws", "https", "http")
    ]
    _compare(given, expected, "X-Plivo-Signature-V3")


def check_genesys_key(headers: Headers, url: str, secret: str) -> None:
    """Check AudioHook's API key alone, for an integration without a client secret.

    Args:
        url: not used.
        secret: the API key that Genesys Cloud's integration has among its credentials.
    """
    _compare([_required(headers, "x-api-key")], [_bytes(secret)], "X-API-KEY")


_COVERED = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)

# RFC 8941: a dictionary of inner lists of strings with parameters, and one of byte sequences. Only
# the canonical spelling passes, so that what is read is what was signed.
_NAME = r'"[@a-z0-9-]+"'
_STRING = r'"[ !#-\[\]-~]*"'
_LIST = rf"\({_NAME}(?: {_NAME})*\)(?:;[a-z]+=(?:{_STRING}|[0-9]{{1,15}}))*"
_LABEL = r"[a-z*][a-z0-9_.*-]*"
_INPUT = re.compile(rf"({_LABEL})=({_LIST})")
_SIGNATURE = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/]+={{0,2}}):")
_BETWEEN = re.compile(r"[ \t]*,[ \t]*")


def check_genesys(headers: Headers, url: str, secret: str, now: float | None = None) -> None:
    """Check AudioHook's HTTP message signature, hmac-sha256.

    Source: Genesys Cloud documentation, "AudioHook Protocol" and "Session Walkthrough", which
    build on RFC 9421 (HTTP Message Signatures). The signature must cover the request's target, its
    authority, the API key and the three identifiers of AudioHook, and be seconds old.

    Args:
        secret: the client secret, in base64, as Genesys Cloud's integration has it.
        now: seconds since 1970; by default the clock's.
    """
    fields = _fields(headers)
    label, signed = _first(_INPUT, _required(headers, "signature-input"), "Signature-Input")
    signatures = dict(_all(_SIGNATURE, _required(headers, "signature"), "Signature"))
    if label not in signatures:
        raise AuthError(f"there is no signature {label}")
    components, parameters = _parse(signed)
    _check_age(parameters, time.time() if now is None else now)
    if parameters.get("alg", "hmac-sha256") != "hmac-sha256":
        raise AuthError("the signature's algorithm must be hmac-sha256")
    if parameters.get("keyid") != fields.get("x-api-key"):
        raise AuthError("the signature's keyid is another than X-API-KEY")
    missing = [name for name in _COVERED if name not in components]
    if missing:
        raise AuthError(f"the signature doesn't cover {', '.join(missing)}")
    derived = _derived(url)
    lines = []
    for name in components:
        value = derived.get(name) if name.startswith("@") else fields.get(name)
        if value is None:
            raise AuthError(f"the signature covers {name}, which the request doesn't have")
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {signed}')
    try:
        key = base64.b64decode(secret, validate=True)
    except ValueError as error:
        raise AuthError("AudioHook's client secret must be base64") from error
    expected = base64.b64encode(hmac.digest(key, _bytes("\n".join(lines)), "sha256"))
    _compare([signatures[label]], [expected], "Signature")


def _check_age(parameters: Mapping[str, str | int], now: float) -> None:
    created, expires = parameters.get("created"), parameters.get("expires")
    if not isinstance(created, int):
        raise AuthError("the signature doesn't say when it was created")
    if created > now + MAX_CLOCK_SKEW_SECONDS:
        raise AuthError("the signature was created in the future; do the clocks agree?")
    if isinstance(expires, int) and expires < now - MAX_CLOCK_SKEW_SECONDS:
        raise AuthError("the signature has expired")
    if created + MAX_AGE_SECONDS < now - MAX_CLOCK_SKEW_SECONDS:
        raise AuthError("the signature is too old")


def _parse(signed: str) -> tuple[list[str], dict[str, str | int]]:
    """Return the components that are covered, and the signature's parameters."""
    inner, _, rest = signed[1:].partition(")")
    components = [name[1:-1] for name in re.findall(_NAME, inner)]
    parameters: dict[str, str | int] = {}
    for name, text, number in re.findall(rf";([a-z]+)=(?:({_STRING})|([0-9]+))", rest):
        parameters[name] = text[1:-1] if text else int(number)
    if len(set(components)) != len(components):
        raise AuthError("the signature covers something twice")
    return components, parameters


def _derived(url: str) -> dict[str, str]:
    """Return the derived components of the URL (RFC 9421, 2.2), as the client asked for it."""
    parts = _split(url)
    authority = parts.netloc.lower().removesuffix(f":{_default_port(parts)}")
    target = parts.path or "/"
    return {
        "@method": "GET",
        "@authority": authority,
        "@request-target": f"{target}?{parts.query}" if parts.query else target,
    }


def _all(member: re.Pattern[str], field: str, name: str) -> list[tuple[str, str]]:
    """Return a dictionary's members, each of which ``member`` matches."""
    matches = [member.match(field)]
    while (match := matches[-1]) is not None and match.end() < len(field):
        between = _BETWEEN.match(field, match.end())
        matches.append(member.match(field, between.end()) if between else None)
    if matches[-1] is None:
        raise AuthError(f"the {name} header can't be read")
    return [(match[1], match[2]) for match in matches if match is not None]


def _first(member: re.Pattern[str], field: str, name: str) -> tuple[str, str]:
    return _all(member, field, name)[0]


def _fields(headers: Headers) -> dict[str, str]:
    """Return headers by lower-case names; those of one name are joined (RFC 9110, 5.2)."""
    fields: dict[str, str] = {}
    for name, value in headers.items():
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _required(headers: Headers, name: str) -> str:
    value = _fields(headers).get(name)
    if not value:
        raise AuthError(f"there is no {name} header")
    return value


def _split(url: str) -> SplitResult:
    """Split a URL. Raises AuthError for one that makes no sense; its host comes from a header."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise AuthError(f"not a URL: {error}") from error
    return parts


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme in ("wss", "https") else 80


def _with(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


def _base64_hmac(secret: str, message: str, algorithm: str) -> bytes:
    return base64.b64encode(hmac.digest(_bytes(secret), _bytes(message), algorithm))


def _bytes(text: str) -> bytes:
    # Headers that aren't UTF-8 arrive with surrogates.
    return text.encode("utf-8", "surrogatepass")


def _compare(given: list[str], expected: list[bytes], header: str) -> None:
    """Compare every pair, so that the time doesn't tell which was equal. Raises AuthError."""
    equal = [hmac.compare_digest(_bytes(one), other) for one in given for other in expected]
    if not any(equal):
        raise AuthError(f"the {header} header doesn't match")
