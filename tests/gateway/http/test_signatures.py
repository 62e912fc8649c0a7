"""Handshakes are let in as the gateways sign them, and refused when anything is changed."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from audio_model.gateway.http.signatures import (
    AuthError,
    Headers,
    check_genesys,
    check_genesys_key,
    check_plivo,
    check_twilio,
)

# Signed by Twilio's own helper library (twilio 9.13.0, RequestValidator.compute_signature).
TWILIO_URL, TWILIO_TOKEN = "wss://example.com/twilio", "12345"
TWILIO_SIGNED = {
    "wss://example.com/twilio": "4qZsm0/0bGQYw36gQ+0YyAX07W0=",
    "wss://example.com:443/twilio": "tYIDpTBj+kKa9YO2PK0LP2nShQI=",
    "wss://example.com:8443/twilio": "pL+zDq7xsubTXYed1tI5vN6PHJU=",
}

# Signed by Plivo's own helper library (plivo 4.63.0, signature_v3).
PLIVO_TOKEN, PLIVO_NONCE = "MyToken", "12345"
PLIVO_SIGNED = {
    "https://example.com/plivo": "1rEo7OjZ3kUrSOej5JRKH3eSIhVJrHP3cPYP704mxS8=",
    "http://example.com/plivo": "iQi4ICjOXOaMNTEKaeUCNsTzU+g0RpZqFLdLu17bjRg=",
    "https://example.com/plivo?b=2&a=x%20y&a=1": "z+gYy95QBloCE5noezu1uR+C0nsb8hQeqzTDbGjjruQ=",
    "wss://example.com/plivo?c=": "lPQVxpCfYfPsNvEd8PlVg2YhbVNdTGfxH5gp7KMFAxg=",
}

# Genesys Cloud documentation, "Session Walkthrough", "Establishing Connection".
GENESYS_URL = "wss://audiohook.example.com/api/v1/voicebiometrics/ws"
GENESYS_SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
GENESYS_CREATED = 1641013200
GENESYS_HEADERS = {
    "Host": "audiohook.example.com",
    "Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
    "Audiohook-Correlation-Id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "Audiohook-Session-Id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "X-API-KEY": "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh",
    "Signature": "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
    "Signature-Input": (
        'sig1=("@request-target" "@authority" "audiohook-organization-id" '
        '"audiohook-session-id" "audiohook-correlation-id" "x-api-key");'
        'keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";'
        'alg="hmac-sha256";created=1641013200;expires=3282026430'
    ),
}


@pytest.mark.parametrize("url", TWILIO_SIGNED)
def test_twilio_signs_the_url(url: str) -> None:
    check_twilio({"X-Twilio-Signature": TWILIO_SIGNED[url]}, url, TWILIO_TOKEN)


def test_twilio_with_or_without_the_default_port() -> None:
    for url in ("wss://example.com/twilio", "wss://example.com:443/twilio"):
        for signature in (TWILIO_SIGNED[TWILIO_URL], TWILIO_SIGNED["wss://example.com:443/twilio"]):
            check_twilio({"x-twilio-signature": signature}, url, TWILIO_TOKEN)


@pytest.mark.parametrize(
    ("url", "token", "signature"),
    [
        ("wss://example.com/other", TWILIO_TOKEN, TWILIO_SIGNED[TWILIO_URL]),
        ("wss://example.org/twilio", TWILIO_TOKEN, TWILIO_SIGNED[TWILIO_URL]),
        ("ws://example.com/twilio", TWILIO_TOKEN, TWILIO_SIGNED[TWILIO_URL]),
        (TWILIO_URL, "54321", TWILIO_SIGNED[TWILIO_URL]),
        (TWILIO_URL, TWILIO_TOKEN, TWILIO_SIGNED["wss://example.com:8443/twilio"]),
        (TWILIO_URL, TWILIO_TOKEN, TWILIO_SIGNED[TWILIO_URL][:-1]),
        (TWILIO_URL, TWILIO_TOKEN, "\udcff"),
    ],
)
def test_twilio_refused(url: str, token: str, signature: str) -> None:
    with pytest.raises(AuthError, match="doesn't match"):
        check_twilio({"X-Twilio-Signature": signature}, url, token)


@pytest.mark.parametrize("name", ["X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3"])
@pytest.mark.parametrize("url", PLIVO_SIGNED)
def test_plivo_signs_url_and_nonce(url: str, name: str) -> None:
    nonce = {"X-Plivo-Signature-V3-Nonce": PLIVO_NONCE}
    check_plivo({**nonce, name: PLIVO_SIGNED[url]}, url, PLIVO_TOKEN)
    check_plivo({**nonce, name: f"AAAA,{PLIVO_SIGNED[url]}"}, url, PLIVO_TOKEN)
    streamed = url.replace("https", "wss")
    check_plivo({**nonce, name: PLIVO_SIGNED[url]}, streamed, PLIVO_TOKEN)


@pytest.mark.parametrize(
    ("url", "nonce", "token"),
    [
        ("https://example.com/plivo", PLIVO_NONCE, "other"),
        ("https://example.com/plivo", "54321", PLIVO_TOKEN),
        ("https://example.com/other", PLIVO_NONCE, PLIVO_TOKEN),
        ("https://example.com/plivo?a=1", PLIVO_NONCE, PLIVO_TOKEN),
    ],
)
def test_plivo_refused(url: str, nonce: str, token: str) -> None:
    headers = {
        "X-Plivo-Signature-V3": PLIVO_SIGNED["https://example.com/plivo"],
        "X-Plivo-Signature-V3-Nonce": nonce,
    }
    with pytest.raises(AuthError, match="doesn't match"):
        check_plivo(headers, url, token)


def check(
    headers: Headers = GENESYS_HEADERS, url: str = GENESYS_URL, now: float = GENESYS_CREATED
) -> None:
    check_genesys(headers, url, GENESYS_SECRET, now)


def test_genesys_as_documented() -> None:
    check()
    check(CIMultiDict(GENESYS_HEADERS))
    check(url=GENESYS_URL.replace(".com/", ".com:443/"))
    check(url=GENESYS_URL.replace("audiohook.", "AudioHook."))


def test_genesys_among_signatures_of_others() -> None:
    signed = GENESYS_HEADERS["Signature-Input"]
    check({**GENESYS_HEADERS, "Signature-Input": f'{signed} , proxy=("@method");created=1'})
    signatures = CIMultiDict(GENESYS_HEADERS)
    signatures.add("Signature", "proxy=:AAAA:")
    check(signatures)


@pytest.mark.parametrize("name", [name for name in GENESYS_HEADERS if name != "Host"])
def test_genesys_needs_each_header_as_signed(name: str) -> None:
    without = {key: value for key, value in GENESYS_HEADERS.items() if key != name}
    with pytest.raises(AuthError):
        check(without)
    with pytest.raises(AuthError):
        check({**GENESYS_HEADERS, name: GENESYS_HEADERS[name].swapcase()})


@pytest.mark.parametrize(
    "url",
    [
        "wss://audiohook.example.com/api/v1/voicebiometrics/ws?x=1",
        "wss://audiohook.example.com/api/v1/voicebiometrics",
        "wss://other.example.com/api/v1/voicebiometrics/ws",
        "wss://audiohook.example.com:8443/api/v1/voicebiometrics/ws",
    ],
)
def test_genesys_signs_where_to(url: str) -> None:
    with pytest.raises(AuthError, match="doesn't match"):
        check(url=url)


@pytest.mark.parametrize("now", [GENESYS_CREATED - 3, GENESYS_CREATED + 13])
def test_genesys_clocks_may_differ_a_little(now: float) -> None:
    check(now=now)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (GENESYS_CREATED - 4, "future"),
        (GENESYS_CREATED + 14, "too old"),
        (3282026430 + 4, "expired"),
    ],
)
def test_genesys_signatures_age(now: float, says: str) -> None:
    with pytest.raises(AuthError, match=says):
        check(now=now)
    with pytest.raises(AuthError, match="too old"):
        check_genesys(GENESYS_HEADERS, GENESYS_URL, GENESYS_SECRET[::-1], GENESYS_CREATED + 99)


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        ('sig1=("@authority");created=1641013200', "keyid"),
        ('sig1=("@authority");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"', "created"),
        ('sig1=("@authority");alg="rsa-v1_5-sha256";created=1641013200', "hmac-sha256"),
        ('sig2=("@authority");created=1641013200', "no signature sig2"),
        ('sig1=("@authority" "@authority");created=1641013200', "twice"),
        ('sig1=("@authority"  "x-api-key");created=1641013200', "can't be read"),
        ("sig1=", "can't be read"),
        (
            'sig1=("@authority" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
            "created=1641013200",
            "doesn't cover @request-target, audiohook-organization-id",
        ),
        (
            GENESYS_HEADERS["Signature-Input"].replace('"@authority"', '"@authority" "@query"'),
            "covers @query",
        ),
        (
            GENESYS_HEADERS["Signature-Input"].replace('"@authority"', '"@authority" "x-other"'),
            "covers x-other",
        ),
    ],
)
def test_genesys_signatures_that_prove_too_little(signed: str, says: str) -> None:
    with pytest.raises(AuthError, match=says):
        check({**GENESYS_HEADERS, "Signature-Input": signed})


def test_genesys_key_alone() -> None:
    check_genesys_key(GENESYS_HEADERS, "", GENESYS_HEADERS["X-API-KEY"])
    with pytest.raises(AuthError, match="X-API-KEY"):
        check_genesys_key(GENESYS_HEADERS, "", "another")


CHECKS: list[Callable[[Headers, str, str], None]] = [
    check_twilio,
    check_plivo,
    check_genesys_key,
    check_genesys,
]


@pytest.mark.parametrize("check", CHECKS)
def test_without_headers_nobody_gets_in(check: Callable[[Headers, str, str], None]) -> None:
    for headers in ({}, {"Authorization": "Bearer s"}):
        with pytest.raises(AuthError, match="there is no "):
            check({**headers, "signature-input": GENESYS_HEADERS["Signature-Input"]}, "wss://a", "")


names = st.sampled_from(
    [
        "signature",
        "signature-input",
        "x-api-key",
        "x-twilio-signature",
        "x-plivo-signature-v3",
        "x-plivo-signature-v3-nonce",
    ]
)
values = st.text() | st.sampled_from(list(GENESYS_HEADERS.values())) | st.just("\udcff")
urls = st.text() | st.sampled_from([GENESYS_URL, "wss://[::1", "wss://a:b/", "wss://a:99999/"])


@given(headers=st.dictionaries(names, values), url=urls, check=st.sampled_from(CHECKS))
def test_garbage_is_refused_and_nothing_else_happens(
    headers: dict[str, str], url: str, check: Callable[[Headers, str, str], None]
) -> None:
    with pytest.raises(AuthError) as caught:
        check(headers, url, "c2VjcmV0")
    assert "c2VjcmV0" not in str(caught.value)
