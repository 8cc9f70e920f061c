"""Media storage: whole files or none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recado.store.media_storage import Gone, MediaStorage, StorageFailed


async def chunks(count: int, size: int = 1_000_000, error: Exception | None = None) -> AsyncIterator[bytes]:
    for n in range(count):
        yield bytes([n % 251]) * size
    if error is not None:
        raise error


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def storage(tmp_path: Path) -> MediaStorage:
    return MediaStorage((tmp_path / "deep" / "media").as_uri())


async def test_a_file_comes_back_whole_and_can_be_deleted_twice(storage: MediaStorage) -> None:
    await storage.put("company/file", chunks(13))
    assert await storage.get("company/file") == b"".join([chunk async for chunk in chunks(13)])
    assert max([len(chunk) async for chunk in storage.stream("company/file")]) < 8_000_000
    await storage.delete("company/file")
    await storage.delete("company/file")
    with pytest.raises(Gone):
        await storage.get("company/file")


@pytest.mark.parametrize("error", [KeyError("mine"), OSError("mine"), TimeoutError("mine")])
async def test_what_breaks_the_source_is_raised_and_leaves_nothing(
    storage: MediaStorage, tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error), match="mine"):
        await storage.put("company/half", chunks(12, error=error))
    assert files_in(tmp_path) == []


async def test_a_storage_that_fails_says_so(tmp_path: Path) -> None:
    storage = MediaStorage((tmp_path / "media").as_uri())
    (tmp_path / "media" / "company").write_text("a file where a folder should be")
    with pytest.raises(StorageFailed):
        await storage.put("company/file", chunks(1))


async def test_paths_cannot_leave_the_storage(storage: MediaStorage) -> None:
    with pytest.raises(ValueError, match="path"):
        await storage.put("../evil", chunks(1))
