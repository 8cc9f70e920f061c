"""Received media: from the server's own storage, from Meta, or decrypted by the server."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from recado.domain.events import MediaRef
from recado.domain.provider import CallFailed, Connection
from recado.kit.http import BadResponse, HttpError
from recado.providers import waproto, wire
from recado.providers.evolution import answers, calls

_LARGEST_DOWNLOAD = 110 * 1024 * 1024
_DOWNLOAD_SECONDS = 120.0
_CHUNK = 3 * 256 * 1024
_GRAPH = "https://graph.facebook.com/v23.0"
#: Where Meta keeps media. The access token goes there and to Graph, and nowhere else.
_META_HOSTS = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net", ".facebook.com")
_GONE = re.compile(r"message not found|not of the media type|status code (403|404|410)", re.IGNORECASE)


def _graph(connection: Connection) -> str:
    return (connection.server.credentials.get("graph_url") or _GRAPH).rstrip("/")


def _is_metas(url: str, graph: str) -> bool:
    try:
        target, own = urlsplit(url), urlsplit(graph)
        host = target.hostname or ""
    except ValueError:
        return False
    if host == own.hostname and target.scheme in ("https", own.scheme):
        return True
    return target.scheme == "https" and f".{host}".endswith(_META_HOSTS)


class EvolutionMedia(calls.Calls):
    """Fetching what a webhook named."""

    async def fetch_media(self, connection: Connection, media: MediaRef) -> AsyncIterator[bytes]:
        """The bytes of received media: from the server's own storage where the webhook named one, from Meta on the
        Cloud channel, else decrypted by the server and sent as base64."""
        ref = media.ref
        if isinstance(ref.get("meta_id"), str) and connection.credentials.get("access_token"):
            url = await self._meta_url(connection, ref["meta_id"])
            if not _is_metas(url, _graph(connection)):
                raise CallFailed(
                    "The media's address is not one of Meta's.", code="untrusted_media_host", retryable=False
                )
            async for chunk in self._download(url, {"authorization": _bearer(connection)}):
                yield chunk
        elif isinstance(ref.get("url"), str):
            async for chunk in self._download(ref["url"], {}):
                yield chunk
        elif isinstance(ref.get("key"), dict):
            data = await self._decrypted(connection, ref)
            for start in range(0, len(data), _CHUNK):
                yield data[start : start + _CHUNK]
        else:
            raise CallFailed("Nothing names the media.", code="media_gone", retryable=False)

    async def _decrypted(self, connection: Connection, ref: Mapping[str, Any]) -> bytes:
        message = {name: ref[name] for name in ("key", "message") if name in ref}
        answer = await self._answer(
            connection,
            "POST",
            "chat/getBase64FromMediaMessage",
            json={"message": message, "convertToMp4": False},
        )
        if not answer.ok:
            failed = answers.failure(answer, secrets=calls.secrets(connection))
            if _GONE.search(failed.why):
                raise CallFailed(failed.why, code="media_gone", retryable=False)
            if answer.status == 400 and failed.code != "not_connected":
                raise CallFailed(failed.why, code="media_unreadable")
            raise failed
        data = waproto.octets(answer.object.get("base64"))
        if not data:
            raise CallFailed("The server's answer has no media.", code="media_unreadable")
        return data

    async def _meta_url(self, connection: Connection, identifier: str) -> str:
        try:
            answer = await wire.call(
                self._http,
                "GET",
                f"{_graph(connection)}/{wire.part(identifier)}",
                headers={"authorization": _bearer(connection)},
                timeout=self._timeout,
            )
        except HttpError as error:
            raise wire.unreachable(error) from error
        url = answer.object.get("url")
        if not answer.ok or not isinstance(url, str) or not url:
            raise CallFailed(
                f"Meta names no address for the media (HTTP {answer.status}).",
                code="media_gone",
                retryable=answer.status >= 500 or answer.status == 429,
            )
        return url

    async def _download(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        try:
            async with self._http.stream(
                "GET",
                url,
                headers=headers,
                timeout=max(self._timeout, _DOWNLOAD_SECONDS),
                max_bytes=_LARGEST_DOWNLOAD,
            ) as response:
                if response.status != 200:
                    gone = response.status in (403, 404, 410)
                    code = "media_gone" if gone else "provider_failed"
                    raise CallFailed(f"HTTP {response.status} for the media", code=code, retryable=not gone)
                async for chunk in response.chunks:
                    yield chunk
        except BadResponse as error:
            raise CallFailed(wire.describe(error), code="media_unreadable", retryable=False) from error
        except HttpError as error:
            raise wire.unreachable(error) from error


def _bearer(connection: Connection) -> str:
    return f"Bearer {connection.credentials.get('access_token', '')}"
