"""The certificate for https and wss."""

import ssl

from audio_model.errors import UsageError
from audio_model.gateway.config.settings import Listening


def tls_context(listening: Listening) -> ssl.SSLContext | None:
    """Return what https and wss are served with; None for plain HTTP. Raises UsageError."""
    if listening.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_certificate(context, listening)
    return context


def load_certificate(context: ssl.SSLContext, listening: Listening) -> None:
    """Load the certificate to show to new connections. Raises UsageError if it can't be used."""
    if listening.tls_certificate is None:
        return
    try:
        context.load_cert_chain(listening.tls_certificate, listening.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"--tls-certificate {listening.tls_certificate}: {error.strerror or error}"
        ) from error
