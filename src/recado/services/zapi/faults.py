"""Why a message failed, in Z-API's words: the texts of `DeliveryCallback.error`.

Z-API documents them as a list of sentences without codes (page webhooks/on-message-send-examples), and clients compare
the whole sentence, so they are given letter by letter, with the vendor's spelling.
"""

import re
from collections.abc import Mapping

NO_PERMISSION = "Does not have permission to send the message"
REJECTED = "Whatsapp rejected sending this message"
NOT_ALLOWED = "Whatsapp did not allow sending this message"
SHADOW_BAN = "The message was not sent due to a likely shadow ban"
NOT_IN_GROUP = "You can't message this group as you don't have permission"
GROUPS_ONLY = "This type of message can only be sent in groups"
TERMS = "You must accept buttons message terms in panel to send this message."
TIMEOUT = "Timeout on send message"
ERROR = "Error on send message"
NO_SUCH_PHONE = "Phone number does not exist"
INVALID_PHONE = "Message has not been sent because it got invalid phone number"
INVALID_MEDIA = "Message not send caused by invalid media url"
MEDIA_NOT_FOUND = "Got a 404 error while trying to send message"
MEDIA_IS_HTML = "The url informed is not a valid url in the media format, apparently it can be an html"
STICKER_FORMAT = "Unsupported sticker format: "
TOO_OLD = "Message has not been edited because it has been more than 7 days"

#: What the vendor says besides, of things that only it can tell: where it is the provider, its own words go on.
_VENDORS_OWN = frozenset(
    {
        "Did not have permission to send this message.",
        "Comment message has not been sent because it has more than 7 days",
        "Product message has not been sent because provided product id was not found.",
        "Catalog message has not been sent because the catalog was not found.",
        "Product message has not been sent because provided catalog phone must not be a lid.",
        "Order has not been sent because it received invalid currency code",
        "Update order has not been sent because it received invalid request data.",
        "Newsletter poll vote was not sent because of missing identifier.",
        "Event edit message was not sent because the phone is not from a group.",
    }
)

#: Our codes (docs/errors.md) -> the vendor's text.
_TEXTS: Mapping[str, str] = {
    # Whom it goes to.
    "not_on_whatsapp": NO_SUCH_PHONE,
    "bad_recipient": INVALID_PHONE,
    "group_not_found": INVALID_PHONE,
    "not_in_group": NOT_IN_GROUP,
    "not_permitted": NO_PERMISSION,
    "groups_only": GROUPS_ONLY,
    # Its file.
    "media_not_found": MEDIA_NOT_FOUND,
    "media_is_html": MEDIA_IS_HTML,
    "media_invalid": INVALID_MEDIA,
    "media_link": INVALID_MEDIA,
    "media_too_large": INVALID_MEDIA,
    "media_type": INVALID_MEDIA,
    "media_unreachable": INVALID_MEDIA,
    "media_unreadable": INVALID_MEDIA,
    # Meta's: the file could not be fetched, or is not what it was said to be.
    "131052": INVALID_MEDIA,
    "131053": INVALID_MEDIA,
    # What WhatsApp says.
    "403": NOT_ALLOWED,
    "463": NOT_ALLOWED,
    "SHADOW_BAN": SHADOW_BAN,
    "ack_error": REJECTED,
    "error": REJECTED,
    "refused": REJECTED,
    "rejected": REJECTED,
    "unknown": REJECTED,
    "terms_not_accepted": TERMS,
    "too_old": TOO_OLD,
    # Nobody answered in time.
    "engine_busy": TIMEOUT,
    "timeout": TIMEOUT,
}
_KNOWN = frozenset(_TEXTS.values()) | _VENDORS_OWN | {ERROR}
_MIME_TYPE = re.compile(r"\b[a-z]+/[a-z0-9][a-z0-9.+-]*", re.ASCII)


def text(code: str, why: str) -> str:
    """The vendor's text for a message that failed with our code and reason.

    A reason that is in the vendor's words already, because Z-API is the provider, stays as it is. Numbers that are not in
    the table are WhatsApp's or Meta's no; everything else is an error on sending.
    """
    if why in _KNOWN or why.startswith(STICKER_FORMAT) or (code == "delivery_failed" and why):
        return why
    if code == "sticker_format":
        found = _MIME_TYPE.search(why)
        return STICKER_FORMAT + (found[0] if found else "unknown")
    return _TEXTS.get(code) or (REJECTED if code.isdecimal() else ERROR)


def error_code(code: str) -> str | None:
    """`DeliveryCallback.errorCode`, which the vendor documents for a shadow ban only."""
    return code if code == "SHADOW_BAN" else None
