"""WhatsApp ids: `<user>@<server>` as text, a protobuf message for neonize."""

from neonize.proto.Neonize_pb2 import JID

USERS, HIDDEN, GROUPS, CHANNELS, STORIES = "s.whatsapp.net", "lid", "g.us", "newsletter", "status@broadcast"


def parse(text: str) -> JID:
    """The id that a text names; digits alone are a phone."""
    user, separator, server = text.partition("@")
    user, _, device = user.partition(":")
    return JID(
        User=user,
        Device=int(device) if device.isdecimal() else 0,
        RawAgent=0,
        Integrator=0,
        Server=server if separator else USERS,
        IsEmpty=False,
    )


def text(jid: JID | None, *, device: bool = False) -> str | None:
    """An id as text, without its device unless asked for; None for an empty one."""
    if jid is None or not jid.Server or not (jid.User or jid.Server == GROUPS):
        return None
    part = f":{jid.Device}" if device and jid.Device else ""
    return f"{jid.User}{part}@{jid.Server}"
