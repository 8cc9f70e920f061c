"""What the services work with: settings and clients, made once by `app.py` and passed down, never imported."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from recado.config import Settings
from recado.domain.provider import Provider
from recado.kit.crypto import Keyring
from recado.kit.http import Http
from recado.kit.signals import Signals
from recado.services.remembering import Memory
from recado.store.db import Database
from recado.store.media_storage import MediaStorage

if TYPE_CHECKING:
    from recado.services.directory import Directory
    from recado.services.limiting import Limiter


class Runtime(msgspec.Struct, kw_only=True):
    """The clients of one process. `signals` wakes loops of this process; the database's NOTIFY wakes the others."""

    settings: Settings
    db: Database
    http: Http
    keyring: Keyring
    signals: Signals
    providers: Mapping[str, Provider]
    media: MediaStorage
    directory: "Directory"
    limiter: "Limiter"
    answers: Memory = msgspec.field(default_factory=Memory)
