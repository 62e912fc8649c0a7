"""Compare secrets and hide numbers."""

import hmac
import secrets
from hashlib import blake2b

from audio_model.gateway.config.values import Secret

_HASH_BYTES = 5
_KEY_BYTES = 32


def same(given: str, secret: Secret) -> bool:
    """Return whether a text is the secret.

    The comparison takes the same time wherever the two differ.
    """
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.bytes)


class NumberHasher:
    """Phone numbers as short keyed hashes: one number always gives the same, none can be read.

    A number has few digits, so an unkeyed hash would be reversed by trying them all. Source:
    RFC 7693, BLAKE2, keyed hashing.
    """

    def __init__(self, salt: Secret | None = None, *, hide: bool = True) -> None:
        """Make a hasher.

        Args:
            salt: the key; by default random, so that hashes can't be compared over restarts.
            hide: False leaves numbers as they are.
        """
        key = secrets.token_bytes(_KEY_BYTES) if salt is None else salt.bytes
        self._key, self._hide = blake2b(key, digest_size=_KEY_BYTES).digest(), hide

    def __call__(self, number: str) -> str:
        """Return a number's hash, or the number where none is hidden."""
        if not number or not self._hide:
            return number
        digest = blake2b(number.encode("utf-8", "replace"), digest_size=_HASH_BYTES, key=self._key)
        return f"#{digest.hexdigest()}"
