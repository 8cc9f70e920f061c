"""Contacts, the block list, presence and calls, the profile and privacy of a sandbox account."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recado.domain import operations
from recado.domain.operations import BusinessChange, Category, Checked, Person, Picture
from recado.domain.provider import Connection
from recado.providers.sandbox import world as worlds
from recado.providers.sandbox.groups import member_of
from recado.providers.sandbox.things import CATEGORIES, PRIVACY, Account, Blocked, Call, Saved, Watched
from recado.providers.sandbox.world import Notice, Visitor, World, missing, wrong


class People(
    Visitor, operations.Contacts, operations.Blocklist, operations.Presence, operations.Profile, operations.Privacy
):
    # --- contacts -----------------------------------------------------------------------------------------

    async def list_contacts(self, connection: Connection, *, limit: int, offset: int) -> list[Person]:
        """Whoever was saved, then whoever wrote."""
        async with self._looking(connection) as world:
            saved = await world.find(Saved)
            names = {talk.chat: talk.name for talk in await world.talks() if talk.wrote}
            everybody = [*saved, *sorted(set(names) - set(saved))]
            return [await _person(world, number) for number in everybody[offset : offset + limit]]

    async def get_contact(self, connection: Connection, *, contact: str) -> Person:
        """Anybody who is on WhatsApp."""
        async with self._looking(connection) as world:
            return await _person(world, await worlds.person(world, contact))

    async def check_numbers(self, connection: Connection, *, phones: Sequence[str]) -> list[Checked]:
        """As `world.on_whatsapp` says."""
        async with self._looking(connection) as world:
            found = await worlds.on_whatsapp(world, phones)
        return [Checked(phone=phone, exists=found[phone] is not None, canonical=found[phone]) for phone in phones]

    async def get_picture(self, connection: Connection, *, contact: str) -> str | None:
        """A data URL: what another account lets us see, or the picture of a group that we are in."""
        async with self._looking(connection) as world:
            if contact.endswith("@g.us"):
                return (await member_of(world, contact)).picture
            return (await _person(world, await worlds.person(world, contact))).picture

    async def save_contact(self, connection: Connection, *, phone: str, name: str) -> None:
        """Add or rename."""
        async with self._changing(connection) as world:
            await world.put(await worlds.person(world, phone), Saved(name=name))

    async def remove_contact(self, connection: Connection, *, phone: str) -> None:
        """Take it out; whoever wrote is still listed."""
        async with self._changing(connection) as world:
            number = await worlds.person(world, phone)
            if await world.get(Saved, number) is None:
                raise missing("contact")
            await world.drop(Saved, number)

    # --- block list ---------------------------------------------------------------------------------------

    async def list_blocked(self, connection: Connection) -> list[str]:
        """Numbers, the first blocked first."""
        async with self._looking(connection) as world:
            return list(await world.find(Blocked))

    async def block_contact(self, connection: Connection, *, contact: str) -> None:
        """What the phone writes from now on is not heard."""
        async with self._changing(connection) as world:
            await world.put(await worlds.person(world, contact), Blocked())

    async def unblock_contact(self, connection: Connection, *, contact: str) -> None:
        """It is heard again. What it wrote meanwhile is not."""
        async with self._changing(connection) as world:
            await world.drop(Blocked, await worlds.person(world, contact))

    # --- presence and calls -------------------------------------------------------------------------------

    async def set_presence(self, connection: Connection, *, available: bool) -> None:
        """Instances that watch the number are told."""
        async with self._changing(connection) as world:
            await world.put("", msgspec.structs.replace(await worlds.account(world), available=available))
            await world.tell(await world.watchers(), presence(world.number, available), wait=False)

    async def watch_presence(self, connection: Connection, *, contact: str) -> None:
        """Told at once, and with every change: a phone is online while it is on."""
        async with self._changing(connection) as world:
            number = await worlds.person(world, contact)
            await world.put(number, Watched())
            await world.tell([world.number], presence(number, await world.is_on(number)), wait=False)

    async def reject_call(self, connection: Connection, *, call: str, caller: str) -> None:
        """A call of `POST /sandbox/phones/{number}/calls` that rings."""
        async with self._changing(connection) as world:
            found = await world.get(Call, call)
            if found is None or found.state != "ringing" or found.caller != await worlds.person(world, caller):
                raise missing("ringing call")
            rejected = msgspec.structs.replace(found, state="rejected")
            await world.put(call, rejected)
            await world.tell([world.number], called(call, rejected))

    # --- profile and privacy ------------------------------------------------------------------------------

    async def get_profile(self, connection: Connection) -> Person:
        """Our own."""
        async with self._looking(connection) as world:
            mine = await worlds.account(world)
            return Person(
                phone=world.number,
                name=mine.name,
                about=mine.about,
                picture=mine.picture,
                business=True,
                blocked=False,
                extra={"expire_seconds": mine.expire_seconds} if mine.expire_seconds else {},
            )

    async def set_profile_name(self, connection: Connection, *, name: str) -> None:
        """Other accounts see it."""
        await self._change_account(connection, name=name)

    async def set_profile_about(self, connection: Connection, *, about: str) -> None:
        """As the name, for those whom the privacy settings let."""
        await self._change_account(connection, about=about)

    async def set_profile_picture(self, connection: Connection, *, picture: Picture | None) -> None:
        """As the "about" text."""
        await self._change_account(connection, picture=worlds.data_url(picture))

    async def get_business_profile(self, connection: Connection, *, contact: str | None) -> dict[str, Any]:
        """Name, number, and what `PUT /sandbox/instances/{id}/business` wrote. Instances are businesses, phones are none."""
        async with self._looking(connection) as world:
            number = world.number if contact is None else await worlds.person(world, contact)
            if not (await world.known([number])).get(number, False):
                raise missing("business")
            theirs = await worlds.account(world, number)
            return {"phone": number, "name": theirs.name, **theirs.business}

    async def set_business_profile(self, connection: Connection, *, change: BusinessChange) -> None:
        """As its owner does it on the phone."""
        given = msgspec.to_builtins(change)
        if unknown := set(given.get("categories", ())) - set(CATEGORIES):
            raise wrong(f"There is no category {', '.join(sorted(unknown))[:80]}.")
        if "categories" in given:
            given["categories"] = [CATEGORIES[one] for one in given["categories"]]
        async with self._changing(connection) as world:
            mine = await worlds.account(world)
            kept = {name: value for name, value in (mine.business | given).items() if value}
            await world.put("", msgspec.structs.replace(mine, business=kept))

    async def list_business_categories(self, connection: Connection) -> list[Category]:
        """Three."""
        async with self._looking(connection):
            return [Category(category=id, name=name) for id, name in CATEGORIES.items()]

    async def get_privacy(self, connection: Connection) -> dict[str, str]:
        """All of them."""
        async with self._looking(connection) as world:
            return {name: values[0] for name, values in PRIVACY.items()} | (await worlds.account(world)).privacy

    async def set_privacy(self, connection: Connection, *, settings: Mapping[str, str]) -> None:
        """All that is given, or nothing."""
        for name, value in settings.items():
            if name not in PRIVACY:
                raise wrong(f"There is no privacy setting {name[:40]!r}; there are {', '.join(PRIVACY)}.")
            if value not in PRIVACY[name]:
                raise wrong(f"{name} takes {', '.join(PRIVACY[name])}.")
        async with self._changing(connection) as world:
            mine = await worlds.account(world)
            await world.put("", msgspec.structs.replace(mine, privacy=mine.privacy | dict(settings)))

    async def _change_account(self, connection: Connection, **changes: Any) -> None:
        async with self._changing(connection) as world:
            changed: Account = msgspec.structs.replace(await worlds.account(world), **changes)
            await world.put("", changed)


def presence(number: str, available: bool) -> Notice:
    """Somebody is online, or not any more."""
    state = "available" if available else "unavailable"
    return Notice(type="presence.updated", phone=number, data={"state": state, "chat": number})


def called(id: str, call: Call) -> Notice:
    """A call rings, or was rejected."""
    kind = "video" if call.video else "voice"
    return Notice(type="call.received", phone=call.caller, data={"call_id": id, "kind": kind, "state": call.state})


async def _person(world: World, number: str) -> Person:
    saved = await world.get(Saved, number)
    talks = await world.talks(number)
    is_account = (await world.known([number])).get(number, False)
    theirs = await worlds.account(world, number) if is_account else None
    return Person(
        phone=number,
        name=saved.name if saved else None,
        push_name=theirs.name if theirs else next((talk.name for talk in talks), None),
        business=is_account,
        blocked=await world.get(Blocked, number) is not None,
        picture=theirs.picture if theirs and await worlds.lets(world, number, "picture") else None,
        about=theirs.about if theirs and await worlds.lets(world, number, "about") else None,
    )
