"""Where the bytes of media are: a folder or a bucket, behind one URL (`file:///…`, `s3://…`, `gs://…`, `az://…`)."""

from collections.abc import AsyncIterator

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

#: How much of a file is in memory while it is written or read.
_PART_BYTES = 5_242_880
_CHUNK_BYTES = 262_144


class Gone(Exception):
    """There is no such file."""


class StorageFailed(Exception):
    """The storage is away, full or refuses us."""


class MediaStorage:
    """Files by path. A file is there whole or not at all. Raises `StorageFailed` when the storage fails."""

    def __init__(self, url: str) -> None:
        if url.startswith("file:"):
            self._store = from_url(url, mkdir=True)
        else:
            self._store = from_url(url)

    async def put(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a file out of its chunks. What the iterator raises is raised here, and nothing is left behind."""
        source = _Watched(chunks)
        try:
            await obstore.put_async(self._store, path, source, chunk_size=_PART_BYTES, max_concurrency=2)
        except (BaseError, OSError) as error:
            if source.raised is not None:
                raise source.raised from None
            raise StorageFailed(f"media storage: {error}") from error

    async def get(self, path: str) -> bytes:
        """The whole file. Raises `Gone`."""
        return b"".join([chunk async for chunk in self.stream(path)])

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The file in chunks. Raises `Gone` before the first."""
        try:
            found = await obstore.get_async(self._store, path)
            async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise Gone(path) from error
        except (BaseError, OSError) as error:
            raise StorageFailed(f"media storage: {error}") from error

    async def delete(self, path: str) -> None:
        """Remove a file. One that is not there is fine."""
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StorageFailed(f"media storage: {error}") from error


class _Watched:
    """An iterator that remembers what it raised, so that it is not taken for the storage's own failure."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.raised: BaseException | None = None

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.raised = error
            raise
