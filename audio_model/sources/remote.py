"""Remote stores, through fsspec: S3, and every other store that fsspec has a driver for.

Credentials, regions and endpoints are looked for where each store's own tools do: of S3 in
``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ``~/.aws``, an instance's role ...
A store that does not answer is asked again, by its implementation: S3 after 5 s without a
connection or 15 s without data, as often as ``AWS_MAX_ATTEMPTS`` says and three times that.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from audio_model.errors import AudioError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK_BYTES = 1 << 18
"""The size of one request: what is heard of most recordings; asking for less takes as long."""

_S3 = ("s3", "s3a")
_S3_ATTEMPTS = 3


def open_object(url: str) -> io.RawIOBase:
    """Open an object for reading with seeks; blocks of it are fetched as they are read.

    Raises AudioError: there is none, or it cannot be had, not even by what is installed: a table
    of many recordings may name one such store.
    """
    with _errors_naming(url, AudioError):
        store, path = _store(url)
        file = store.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="blockcache")
        if getattr(file, "details", {}).get("type") == "directory":
            raise AudioError(url, "is a folder, not a recording (to score all in it, end it in /)")
        if not file.seekable():
            raise AudioError(url, "its server sends only whole files, and no parts")
        return _RemoteFile(file)


def list_objects(url: str) -> Iterator[str]:
    """Yield the URLs of all objects below a prefix, sorted.

    S3 is listed page by page, in flat memory.

    Raises:
        AudioError: there is no object, or the store can't be reached.
        UsageError: fsspec, or its part for this kind of store, isn't installed.
    """
    scheme = url.partition("://")[0]
    urls: Iterator[str]
    with _errors_naming(url):
        store, path = _store(url)
        if scheme in _S3:
            urls = (f"{scheme}://{key}" for key in _s3_keys(store, path))
        else:
            urls = map(store.unstrip_protocol, store.find(path))
    while True:
        with _errors_naming(url):
            found = next(urls, None)
        if found is None:
            return
        yield found


def _store(url: str) -> tuple[Any, str]:
    # Imported here, so that whoever has no remote paths needs no fsspec.
    try:
        import fsspec
    except ImportError as error:
        raise ImportError("fsspec is not installed") from error

    # Not fsspec.url_to_fs, which takes "::" in a key for a chain of stores.
    scheme = url.partition("://")[0]
    kind = fsspec.get_filesystem_class(scheme)
    store = kind(**kind._get_kwargs_from_urls(url))
    if scheme in _S3:
        store.retries = _S3_ATTEMPTS
    return store, kind._strip_protocol(url)


def _s3_keys(store: Any, path: str) -> Iterator[str]:
    """Yield buckets with keys, a page at a time.

    S3FileSystem.find would hold a record of every object.
    """
    bucket, prefix, _ = store.split_path(path)
    asked = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else "", **store.req_kw}
    while True:
        page = store.call_s3("list_objects_v2", **asked)
        yield from (f"{bucket}/{item['Key']}" for item in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


@contextmanager
def _errors_naming(url: str, lacking: type[AudioError | UsageError] = UsageError) -> Iterator[None]:
    """Turn a store's errors into ours. ``lacking`` is for a package that isn't installed."""
    try:
        yield
    except AudioError:
        raise
    except ImportError as error:
        message = f'{error}: pip install "audio-model[remote]"'
        if lacking is AudioError:
            raise AudioError(url, message) from error
        raise UsageError(f"{url}: {message}") from error
    except FileNotFoundError as error:
        raise AudioError(url, "no such object or bucket") from error
    except PermissionError as error:
        raise AudioError(url, f"access is denied ({error.strerror or error})") from error
    # The boundary: each store has errors of its own, which know no common class.
    except Exception as error:
        raise AudioError(url, _told(error)) from error


def _told(error: Exception) -> str:
    return f"the store fails: {type(error).__name__}: {error}"


class _RemoteFile(io.RawIOBase):
    """A file of fsspec's whose every failure to read is an OSError."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        try:
            data = self._file.read(len(target))
        # The boundary, as above: decoders call this from C, where nothing else can be met.
        except Exception as error:
            raise OSError(_told(error)) from error
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
