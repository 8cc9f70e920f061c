"""Sessions: making them, pairing them, how they stand, and where their webhooks go."""

import secrets as random_source
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from recado.domain.provider import CallFailed, Connection, ConnectionState, Session
from recado.domain.states import ConnectionStatus
from recado.providers import whatsapp, wire
from recado.providers.waha import errors
from recado.providers.waha.calls import Calls, at, engine_of, not_readable, secrets, session
from recado.providers.waha.reading import Json, given, inner, objects, text

#: What a session tells. Not `message`, which `message.any` repeats; nor `state.change`, `group.join` and `group.leave`,
#: which are deprecated.
EVENTS = (
    "session.status",
    "message.any",
    "message.reaction",
    "message.ack",
    "message.ack.group",
    "message.waiting",
    "message.edited",
    "message.revoked",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.update",
    "group.v2.participants",
    "presence.update",
    "poll.vote",
    "poll.vote.failed",
    "chat.archive",
    "call.received",
    "call.accepted",
    "call.rejected",
    "label.upsert",
    "label.deleted",
    "label.chat.added",
    "label.chat.deleted",
    "event.response",
    "event.response.failed",
)
#: By this header among its own a webhook of ours is known, whatever address it goes to.
_MARK = "X-Recado-Connection"
_RETRIES = {"policy": "exponential", "delaySeconds": 2, "attempts": 12}

#: WhatsApp shows another QR code about every 20 seconds, and a pairing code for three minutes.
_QR_SECONDS = 20
_CODE_SECONDS = 180

_PASSKEY = {"PASSKEY_REQUIRED": "challenge", "PASSKEY_CONFIRMATION_REQUIRED": "confirmation"}
_ASSERTION = ("id", "rawId", "type", "response")
_RESPONSE = ("clientDataJSON", "authenticatorData", "signature")


class Sessions(Calls):
    """The sessions of a WAHA server."""

    async def open_session(self, connection: Connection) -> Session:
        """Make the session, not started, or take over the one that an earlier try made. Raises `CallFailed`."""
        name = _own_name(connection)
        secret = random_source.token_urlsafe(32)
        answer = await self._create(connection, name, secret)
        if not answer.ok:
            # An earlier try made it and its answer was lost: give it the new secret.
            existing = await self._answer(connection, "GET", f"/api/sessions/{name}")
            if not existing.ok:
                raise errors.failed(answer, (*secrets(connection), secret))
            await self._configure(connection, name, existing.object, secret)
        return Session(account=name, credentials={"webhook_secret": secret})

    async def close_session(self, connection: Connection) -> None:
        """Log it out and remove it. One that is gone already is fine. Raises `CallFailed`."""
        await self._end(connection, "DELETE", "")

    async def register_webhook(self, connection: Connection) -> None:
        """Let the session post to `webhook_url`, signed, beside what else it posts to. A session that does so already is
        left alone, because a change restarts it. Raises `CallFailed`."""
        secret = connection.credentials.get("webhook_secret")
        if not secret:
            raise CallFailed(
                "The connection has no webhook_secret to sign with.", code="credentials_missing", retryable=False
            )
        answer = await self._ask(connection, "GET", _path(connection))
        await self._configure(connection, session(connection), answer.object, secret)

    async def connect(self, connection: Connection, *, method: str, phone: str | None) -> ConnectionState:
        """Start the session, or tell what its pairing needs next.

        A session that is just starting has no code yet: it is `connecting`, and asking again brings the code. Raises
        `CallFailed`.
        """
        answer = await self._answer(connection, "GET", _path(connection))
        secret = connection.credentials.get("webhook_secret")
        if answer.status == 404 and secret and session(connection) == _own_name(connection):
            # Somebody removed it at the server. It comes back with its secret, so its webhooks go on being believed.
            answer = await self._create(connection, session(connection), secret)
        if not answer.ok:
            raise errors.failed(answer, secrets(connection))
        status = text(answer.object, "status")
        if status in ("STOPPED", "FAILED"):
            start = "restart" if status == "FAILED" else "start"
            answer = await self._ask(connection, "POST", f"{_path(connection)}/{start}")
        elif status == "SCAN_QR_CODE" and method == "phone_code" and phone is not None:
            return await self._pairing_code(connection, phone)
        return await self._state(connection, answer.object)

    async def status(self, connection: Connection) -> ConnectionState:
        """How the session stands, with the newest code while one is shown. Raises `CallFailed`."""
        answer = await self._answer(connection, "GET", _path(connection))
        if answer.status == 404 and errors.statement(answer) is not None:
            return ConnectionState(
                status=ConnectionStatus.LOGGED_OUT, reason="The session does not exist on the server any more."
            )
        if not answer.ok:
            raise errors.failed(answer, secrets(connection))
        return await self._state(connection, answer.object)

    async def restart(self, connection: Connection) -> ConnectionState:
        """Restart the session without a new pairing. Raises `CallFailed`."""
        answer = await self._ask(connection, "POST", f"{_path(connection)}/restart")
        return await self._state(connection, answer.object)

    async def disconnect(self, connection: Connection, *, logout: bool) -> None:
        """Stop the session; with `logout` forget its pairing first, because logging out alone starts it anew and shows
        the next QR code. Raises `CallFailed`."""
        if logout:
            await self._end(connection, "POST", "/logout")
        await self._end(connection, "POST", "/stop")

    async def answer_passkey(self, connection: Connection, *, step: str, answer: Mapping[str, Any]) -> ConnectionState:
        """Hand over the browser's assertion (`challenge`), or say that the codes are the same (`confirmation`).

        The assertion is what `navigator.credentials.get` gives on web.whatsapp.com, as JSON. Raises `CallFailed`.
        """
        if step == "challenge":
            response = answer.get("response")
            signed = response if isinstance(response, dict) else {}
            missing = [name for name in _ASSERTION if not answer.get(name)]
            missing += [name for name in _RESPONSE if not signed.get(name)]
            if missing:
                raise CallFailed(
                    f"The assertion lacks {', '.join(missing)}.", code="invalid_assertion", retryable=False
                )
            assertion = {name: answer[name] for name in _ASSERTION}
            await self._ask(connection, "POST", at(connection, "auth", "passkey"), json=assertion)
        elif step == "confirmation":
            await self._ask(connection, "POST", at(connection, "auth", "passkey", "confirm"))
        else:
            raise CallFailed(f"There is no passkey step {step!r}.", code="invalid_step", retryable=False)
        return await self.status(connection)

    async def account_info(self, connection: Connection) -> dict[str, Any]:
        """The session as WAHA shows it, without its settings (which hold secrets), and the account's profile.

        Raises `CallFailed`.
        """
        described = (await self._ask(connection, "GET", _path(connection))).object
        info = {name: value for name, value in described.items() if name not in ("config", "apps")}
        if described.get("status") == "WORKING":
            profile = await self._ask(connection, "GET", at(connection, "profile"))
            info["profile"] = profile.object
        return info

    # --- steps ---------------------------------------------------------------------------------------------

    async def _create(self, connection: Connection, name: str, secret: str) -> wire.Answer:
        engine = engine_of(connection.server)
        config: Json = {"webhooks": [_webhook(connection, secret)]}
        if engine == "NOWEB":
            # Without its store it knows no chats, contacts or earlier messages.
            config["noweb"] = {"markOnline": True, "store": {"enabled": True, "fullSync": False}}
        elif engine == "WEBJS":
            # Without these it reports neither receipts nor presence.
            config["webjs"] = {"tagsEventsOn": True}
        return await self._answer(
            connection, "POST", "/api/sessions", json={"name": name, "start": False, "config": config}
        )

    async def _configure(self, connection: Connection, name: str, described: Json, secret: str) -> None:
        config = inner(described, "config")
        ours = _webhook(connection, secret)
        present = objects(config.get("webhooks"))
        stale = [hook for hook in present if _is_ours(connection, hook)]
        if len(stale) == 1 and all(stale[0].get(name) == value for name, value in ours.items()):
            return
        others = [hook for hook in present if hook not in stale]
        changed = {"config": {**config, "webhooks": [*others, ours]}}
        answer = await self._answer(connection, "PUT", f"/api/sessions/{wire.part(name)}", json=changed)
        if not answer.ok:
            raise errors.failed(answer, (*secrets(connection), secret))

    async def _end(self, connection: Connection, method: str, step: str) -> None:
        answer = await self._answer(connection, method, f"{_path(connection)}{step}")
        if not answer.ok and answer.status != 404:
            raise errors.failed(answer, secrets(connection))

    async def _pairing_code(self, connection: Connection, phone: str) -> ConnectionState:
        answer = await self._ask(
            connection, "POST", at(connection, "auth", "request-code"), json={"phoneNumber": phone}
        )
        code = text(answer.object, "code")
        if code is None:
            raise not_readable(answer)
        return ConnectionState(
            status=ConnectionStatus.QR,
            pairing_code=code,
            expires_at=datetime.now(UTC) + timedelta(seconds=_CODE_SECONDS),
        )

    async def _state(self, connection: Connection, described: Json) -> ConnectionState:
        """The state of a session as described, completed by what its status has to show."""
        told = text(described, "status")
        if told is None:
            raise CallFailed("WAHA's answer names no status.", code="bad_answer")
        status = errors.STATUSES.get(told, ConnectionStatus.DISCONNECTED)
        if status is ConnectionStatus.QR:
            return await self._qr(connection)
        if told in _PASSKEY:
            return await self._passkey(connection, _PASSKEY[told])
        me = inner(described, "me")
        return ConnectionState(
            status=status,
            reason=None if status is ConnectionStatus.CONNECTED else f"WAHA says {told}",
            phone=whatsapp.party(me.get("id"), me.get("jid")).phone,
            details=given(
                name=text(me, "pushName"), lid=text(me, "lid"), engine=text(inner(described, "engine"), "engine")
            ),
        )

    async def _qr(self, connection: Connection) -> ConnectionState:
        answer = await self._answer(connection, "GET", at(connection, "auth", "qr"), query={"format": "raw"})
        code = text(answer.object, "value") if answer.ok else None
        if code is None:
            said = errors.statement(answer, secrets(connection))
            if said is None or said.status is None:
                raise errors.failed(answer, secrets(connection))
            # It went on while we asked.
            return ConnectionState(
                status=errors.STATUSES.get(said.status, ConnectionStatus.CONNECTING), reason=said.why
            )
        expires_at = datetime.now(UTC) + timedelta(seconds=_QR_SECONDS)
        return ConnectionState(status=ConnectionStatus.QR, qr=code, expires_at=expires_at)

    async def _passkey(self, connection: Connection, step: str) -> ConnectionState:
        answer = await self._ask(connection, "GET", at(connection, "auth", "passkey", step))
        return ConnectionState(
            status=ConnectionStatus.CONNECTING,
            reason="WhatsApp asks for a passkey",
            details={"passkey": {"step": step, **answer.object}},
        )


def _own_name(connection: Connection) -> str:
    return f"rcd-{connection.id.hex}"


def _path(connection: Connection) -> str:
    return f"/api/sessions/{wire.part(session(connection))}"


def _webhook(connection: Connection, secret: str) -> Json:
    return {
        "url": connection.webhook_url,
        "events": list(EVENTS),
        "hmac": {"key": secret},
        "retries": _RETRIES,
        "customHeaders": [{"name": _MARK, "value": str(connection.id)}],
    }


def _is_ours(connection: Connection, hook: Json) -> bool:
    marks = objects(hook.get("customHeaders"))
    marked = any(mark.get("name") == _MARK and mark.get("value") == str(connection.id) for mark in marks)
    return marked or hook.get("url") == connection.webhook_url
