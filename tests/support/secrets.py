"""The register of secrets: what is registered here must not appear in any log of the run.

Tokens, webhook secrets and secret credentials register themselves as they are made (see `watch`); a test
registers what only it knows, such as the text of a message: `secrets.register("…")`. At the end the run fails
when one of them is found in what the tests logged.
"""

import functools
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

#: Shorter ones would be found by chance.
_SHORTEST = 8

_SECRET_NAME = re.compile("token|secret|key|password")

_seen: set[str] = set()


def register(secret: str) -> str:
    """Remember a secret and return it."""
    directory = os.environ.get("RECADO_TEST_DIR")
    if directory and len(secret) >= _SHORTEST and secret not in _seen:
        _seen.add(secret)
        with (Path(directory) / f"secrets-{os.getpid()}").open("a", encoding="utf-8") as file:
            file.write(secret.replace("\n", "\\n") + "\n")
    return secret


def text(start: str = "text") -> str:
    """A message text that is unique and registered."""
    return register(f"{start} {uuid.uuid4().hex}")


def watch() -> None:
    """Register every token and webhook secret that is made, and every secret credential that is stored.

    The functions do what they did; they are only listened to.
    """
    from recado.kit import crypto, signing, tokens

    _listen(tokens, "make", lambda made, _: [made])
    _listen(signing, "make_secret", lambda made, _: [made])
    _listen(crypto.Keyring, "seal", lambda _, arguments: _secret_values(arguments[1]))


def _listen(owner: Any, name: str, found: Callable[[Any, tuple[Any, ...]], Iterable[str]]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def listening(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        for secret in found(result, arguments):
            register(secret)
        return result

    setattr(owner, name, listening)


def _secret_values(credentials: Mapping[str, Any]) -> list[str]:
    """Names such as access_token; a phone_number_id beside it is no secret and is logged."""
    return [value for name, value in credentials.items() if isinstance(value, str) and _SECRET_NAME.search(name)]


def leaked(directory: Path) -> dict[str, list[str]]:
    """What was found in the run's logs: a hint of each secret, and the tests that logged it."""
    known = {line for file in directory.glob("secrets-*") for line in file.read_text("utf-8").splitlines()}
    found: dict[str, list[str]] = {}
    for file in directory.glob("logs-*"):
        for section in file.read_text("utf-8", errors="replace").split("\x1e"):
            name, _, logged = section.partition("\n")
            for secret in known:
                if secret in logged:
                    found.setdefault(f"{secret[:10]}…", []).append(name)
    return found


def keep(directory: Path, test: str, logged: str) -> None:
    """Keep what a test logged for `leaked`."""
    with (directory / f"logs-{os.getpid()}").open("a", encoding="utf-8", errors="replace") as file:
        file.write(f"{test}\n{logged}\x1e")
