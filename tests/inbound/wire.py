"""Webhooks on Meta's wire, signed, and the instance they are for."""

import asyncio
import hashlib
import hmac
import itertools
import json
from typing import Any

import msgspec

from tests.support.client import Client, Reply

_ids = itertools.count(1)


def text(sender: str, body: str, *, id: str | None = None, at: int = 1_790_000_000, **more: Any) -> dict[str, Any]:
    """A text message."""
    return {
        "from": sender,
        "id": id or f"wamid.IN{next(_ids)}",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": body},
        **more,
    }


def status(id: str, state: str, *, to: str = "5511999990001", at: int = 1_790_000_100, **more: Any) -> dict[str, Any]:
    """A receipt."""
    return {"id": id, "status": state, "timestamp": str(at), "recipient_id": to, **more}


def change(
    account: str,
    *,
    messages: list[dict[str, Any]] | None = None,
    statuses: list[dict[str, Any]] | None = None,
    names: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One element of `changes`."""
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "551140000000", "phone_number_id": account},
    }
    if messages is not None:
        named = names or {}
        value["contacts"] = [
            {"wa_id": number, "profile": {"name": named.get(number, f"Name {number}")}}
            for number in dict.fromkeys(message["from"] for message in messages)
        ]
        value["messages"] = messages
    if statuses is not None:
        value["statuses"] = statuses
    return {"field": "messages", "value": value}


def body(*entries: list[dict[str, Any]]) -> bytes:
    """A webhook body of entries, each a list of changes."""
    return json.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": f"waba{n}", "changes": changes} for n, changes in enumerate(entries)],
        }
    ).encode()


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """An instance on Meta, with its company's client."""

    company: Client
    instance_id: str
    account: str
    hook: str

    async def post(self, raw: bytes, *, signed: bytes | None = None) -> Reply:
        """Post a body as Meta would, signed with the app secret."""
        digest = hmac.new(f"app-secret-{self.account}".encode(), signed or raw, hashlib.sha256).hexdigest()
        return await self.company.as_(None).call(
            "POST",
            self.hook,
            data=raw,
            headers={"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"},
        )

    async def receive(self, *messages: dict[str, Any]) -> None:
        """Messages in one body, answered 200."""
        reply = await self.post(body([change(self.account, messages=list(messages))]))
        assert reply.status == 200, reply.body

    async def tell(self, *statuses: dict[str, Any]) -> None:
        """Receipts in one body, answered 200."""
        reply = await self.post(body([change(self.account, statuses=list(statuses))]))
        assert reply.status == 200, reply.body

    async def events(self, count: int, type: str = "message.received") -> list[dict[str, Any]]:
        """All events of a type, oldest first, once there are `count`."""
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(20):
                while len(found) < count:
                    await asyncio.sleep(0.02)
                    found = await self._all_events(type)
        except TimeoutError:
            raise AssertionError(f"{len(found)} events of type {type} came instead of {count}") from None
        return sorted(found, key=lambda event: event["sequence"])

    async def _all_events(self, type: str) -> list[dict[str, Any]]:
        path = f"/v1/events?type={type}&limit=200"
        page = await self.company.get(path)
        found = list(page["data"])
        while page["next_cursor"]:
            page = await self.company.get(f"{path}&cursor={page['next_cursor']}")
            found += page["data"]
        return found
