"""What a message says, as the makers of its content get it."""

from typing import Any

import msgspec

from recado.services.zapi.payloads.facts import File, Json, Place, inner, text


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says. `at` is when, in milliseconds; `by` who, as Z-API calls them; `chat` where."""

    kind: str
    content: Any
    extra: Json
    place: Place
    at: int
    by: str | None = None
    chat: str | None = None

    def get(self, name: str) -> Any:
        """A field of the content."""
        return self.content.get(name) if isinstance(self.content, dict) else None

    def said(self, name: str) -> Any:
        """What the provider told beyond the content: some tell it of the file, others of the message."""
        of_file = inner(self.extra, "media").get(name)
        return self.extra.get(name) if of_file is None else of_file

    @property
    def view_once(self) -> bool:
        """Whether it can be opened once."""
        return True in (self.said("viewOnce"), self.extra.get("view_once"), self.get("view_once"))

    @property
    def file(self) -> File:
        """Its file: the one we keep, else the link it was given by."""
        return self.place.file or File(url=text(self.get("link")), error=text(self.said("downloadError")))

    @property
    def mime_type(self) -> str | None:
        """The type of its file."""
        return self.file.mime_type or text(self.get("mime_type"))
