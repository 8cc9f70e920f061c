"""A body with one field at a time missing, empty or of another type."""

from collections.abc import Iterator
from typing import Any

GONE = object()
ODD: tuple[Any, ...] = (GONE, None, True, -1, 2**70, 1.5e300, "", "x", "\x00@\ud7ff", [], [[]], {}, {"a": [{}]})

Path = tuple[Any, ...]


def variants(whole: Any) -> Iterator[tuple[Path, Any]]:
    """Each with the path of what is odd in it."""
    for path in _paths(whole):
        for odd in ODD:
            yield path, _changed(whole, path, odd)


def _paths(value: Any) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (step,)
        yield from ((step, *rest) for rest in _paths(item))


def _changed(value: Any, path: Path, odd: Any) -> Any:
    step, *rest = path
    copy = value.copy()
    if rest:
        copy[step] = _changed(copy[step], tuple(rest), odd)
    elif odd is GONE:
        del copy[step]
    else:
        copy[step] = odd
    return copy
