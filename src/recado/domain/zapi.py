"""The words of Z-API's contract that are kept: what an account and an instance are set to there.

Names follow Z-API's own (`callRejectAuto`), in our spelling.
"""

from typing import Annotated, Literal

import msgspec

#: The webhooks that Z-API sets apart, each with an address of its own.
Callback = Literal["delivery", "received", "message_status", "chat_presence", "connected", "disconnected"]
CALLBACKS: tuple[Callback, ...] = (
    "delivery",
    "received",
    "message_status",
    "chat_presence",
    "connected",
    "disconnected",
)

#: The settings by which an instance reacts to what comes in.
Reaction = Literal["auto_read_message", "auto_read_status", "call_reject_auto"]
REACTIONS: tuple[Reaction, ...] = ("auto_read_message", "auto_read_status", "call_reject_auto")

#: What Z-API lets wait for a disconnected phone before it rejects more.
QUEUE_LIMIT = 1_000


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Z-API's clients truly differ in what they expect, a company chooses.

    phone_exists     `object`: what the live service answers and most clients read; `array`: what its documentation shows
    unknown_route    the status of `{"error": "NOT_FOUND"}`: 200 as observed, or 404 for clients that look at it alone
    documentation    the shapes of the present documentation (`current`) or of the one before (`older`), where they differ
    allowed_ips      the IP addresses, or networks, that may call; empty lets all
    kind             the provider of instances that partner routes create
    """

    phone_exists: Literal["object", "array"] = "object"
    unknown_route: Literal[200, 404] = 200
    documentation: Literal["current", "older"] = "current"
    allowed_ips: list[Annotated[str, msgspec.Meta(max_length=64)]] = []
    kind: str = "native"


class Filters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not told: names as in `PUT /update-filters`."""

    messages: list[str] = []
    callbacks: list[str] = []


class ZapiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instance is set to on the Z-API surface.

    webhooks             the address of each callback that has one
    notify_sent_by_me    messages of the own number are told as received ones too (`fromMe`)
    queue_limit          how many messages may wait while the phone is disconnected
    enqueue_disconnected whether any may
    """

    webhooks: dict[Callback, str] = {}
    proxy_webhook: str | None = None
    notify_sent_by_me: bool = False
    filters: Filters = Filters()
    auto_read_message: bool = False
    auto_read_status: bool = False
    call_reject_auto: bool = False
    call_reject_message: str | None = None
    enqueue_disconnected: bool = True
    queue_limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = QUEUE_LIMIT
    session_name: str | None = None
    with_calls: bool = False
    is_device: bool = False
    business_device: bool = False
