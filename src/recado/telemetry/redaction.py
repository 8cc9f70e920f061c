"""Takes secrets out of what is about to be logged or reported.

The rule is that nobody hands a secret to the log. This is the net below it: values under keys that name a secret
are replaced, and what looks like a token, a credential in an address, or encoded bytes is cut out of every text.
"""

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

MASK = "***"

_SECRET_KEY = re.compile(
    r"(^|[_-])(token|authorization|secret|credential|password|passwd|cookie|signature|api_?key|hook_key|secret_key|private_key"
    r"|body|data|content|text|caption|base64|payload)s?$",
    re.IGNORECASE,
)

#: Each keeps what tells the kind of secret and drops the rest.
_SECRET_TEXT = re.compile(
    r"""
      (?P<token> rcd_(?:adm|co|in)_ ) [0-9A-Za-z]+
    | (?P<webhook> whsec_ ) [A-Za-z0-9+/=_-]+
    | (?P<bearer> (?:bearer|basic)[ ]+ ) [A-Za-z0-9._~+/=-]{8,}
    | (?P<parameter> (?:access_token|token|secret|api_?key|password|hub\.verify_token|appsecret_proof)= ) [^&\s"']+
    | (?P<login> [a-z][a-z0-9+.-]*://[^\s:@/]* ) :[^\s@/]+ (?=@)
    | (?P<hook> /hooks/[a-z]+/ ) [A-Za-z0-9_-]+
    | (?P<meta> \bEAA ) [A-Za-z0-9]{20,}
    | (?P<encoded> ) [A-Za-z0-9+/_-]{200,}={0,2}
    """,
    re.VERBOSE | re.IGNORECASE,
)


def text(value: str) -> str:
    """`value` with what looks like a secret replaced."""
    return _SECRET_TEXT.sub(_mask, value)


def value(found: Any) -> Any:
    """`found`, a tree of plain data, with its secrets replaced. Other objects become their text."""
    if isinstance(found, str):
        return text(found)
    if found is None or isinstance(found, (bool, int, float, datetime)):
        return found
    if isinstance(found, (bytes, bytearray, memoryview)):
        return f"({len(found)} bytes)"
    if isinstance(found, Mapping):
        return mapping(found)
    if isinstance(found, (list, tuple, set, frozenset)):
        return [value(item) for item in found]
    return text(str(found))


def mapping(found: Mapping[Any, Any]) -> dict[str, Any]:
    """`value` for each item, and nothing at all of those whose key names a secret."""
    return {str(key): MASK if item and _hidden(str(key), item) else value(item) for key, item in found.items()}


def _hidden(key: str, item: Any) -> bool:
    # Numbers under such names are counts and sizes.
    return not isinstance(item, (bool, int, float)) and _names_a_secret(key)


@functools.lru_cache(maxsize=1_000)
def _names_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _mask(match: re.Match[str]) -> str:
    kept = match.group(match.lastgroup) if match.lastgroup else ""
    return f"{kept}:{MASK}" if match.lastgroup == "login" else f"{kept}{MASK}"
