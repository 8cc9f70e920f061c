"""The built-in engine's own side of neonize, which is whatsmeow behind a C library.

jids.py        WhatsApp ids as text and back
messages.py    contents as WhatsApp's protobuf messages
events.py      neonize's events as the bodies that `providers/native/webhooks.py` reads
faults.py      what an error of whatsmeow says of a message
operations.py  everything else that a device can be asked to do
device.py      one number: a thread that runs it, its events, its calls

Everything here but this file imports neonize, which is optional; nothing outside this package does. Leases, commands
and the loops are in `workers/native.py`.
"""

import ctypes.util
import importlib.metadata
import importlib.util
from pathlib import Path

INSTALL = "The built-in engine needs neonize: `uv sync --extra native`, or `pip install 'recado[native]'`."
_NO_LIBRARY = (
    "neonize is installed without its library for this platform, which it would download when it is imported. "
    "Install a wheel of it that brings the library along."
)
_NO_MAGIC = "The built-in engine needs libmagic: `apt-get install libmagic1`."


def trouble() -> str | None:
    """Why the engine cannot run here, with what to do; None when it can. Looks without importing neonize: without its
    library, importing it would download one."""
    found = importlib.util.find_spec("neonize")
    if found is None or found.origin is None:
        return INSTALL
    libraries = [
        file for file in Path(found.origin).parent.glob("neonize-*") if file.suffix in (".so", ".dylib", ".dll")
    ]
    if not libraries:
        return _NO_LIBRARY
    return None if ctypes.util.find_library("magic") else _NO_MAGIC


def version() -> str:
    """The version of neonize that is installed."""
    return importlib.metadata.version("neonize")
