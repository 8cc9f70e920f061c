"""The vendor's texts for what failed."""

import re
from pathlib import Path

import pytest

from recado.services.zapi import faults
from tests.providers.conftest import shared

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"


@pytest.mark.parametrize(
    ("code", "why", "expected"),
    [
        ("not_on_whatsapp", "Nobody is there.", "Phone number does not exist"),
        ("bad_recipient", "", "Message has not been sent because it got invalid phone number"),
        ("not_in_group", "", "You can't message this group as you don't have permission"),
        ("not_permitted", "", "Does not have permission to send the message"),
        ("groups_only", "", "This type of message can only be sent in groups"),
        ("media_invalid", "", "Message not send caused by invalid media url"),
        ("media_unreachable", "", "Message not send caused by invalid media url"),
        ("media_too_large", "", "Message not send caused by invalid media url"),
        ("media_not_found", "", "Got a 404 error while trying to send message"),
        (
            "media_is_html",
            "",
            "The url informed is not a valid url in the media format, apparently it can be an html",
        ),
        (
            "sticker_format",
            "It is image/svg+xml; the provider takes image/webp as sticker.",
            "Unsupported sticker format: image/svg+xml",
        ),
        ("sticker_format", "", "Unsupported sticker format: unknown"),
        ("media_type", "Unsupported sticker format: image/tiff", "Unsupported sticker format: image/tiff"),
        ("SHADOW_BAN", "", "The message was not sent due to a likely shadow ban"),
        ("463", "server returned error 463", "Whatsapp did not allow sending this message"),
        ("479", "server returned error 479", "Whatsapp rejected sending this message"),
        ("131026", "Message undeliverable", "Whatsapp rejected sending this message"),
        ("131053", "Media upload error", "Message not send caused by invalid media url"),
        ("rejected", "", "Whatsapp rejected sending this message"),
        ("terms_not_accepted", "", "You must accept buttons message terms in panel to send this message."),
        ("timeout", "", "Timeout on send message"),
        ("engine_busy", "", "Timeout on send message"),
        ("too_old", "", "Message has not been edited because it has been more than 7 days"),
        ("not_prepared", "Recado could not prepare it: KeyError.", "Error on send message"),
        ("unsupported_by_provider", "", "Error on send message"),
        ("http_502", "", "Error on send message"),
        ("a_word_of_the_provider", "its own words", "Error on send message"),
        # Z-API is the provider: its own words.
        (
            "delivery_failed",
            "Order has not been sent because it received invalid currency code",
            "Order has not been sent because it received invalid currency code",
        ),
        (
            "not_permitted",
            "Did not have permission to send this message.",
            "Did not have permission to send this message.",
        ),
        ("delivery_failed", "A text that is newer than we are.", "A text that is newer than we are."),
        ("delivery_failed", "", "Error on send message"),
    ],
)
def test_a_failed_message_says_why_in_the_vendors_words(code: str, why: str, expected: str) -> None:
    assert faults.text(code, why) == expected


@pytest.mark.parametrize(("code", "expected"), [("SHADOW_BAN", "SHADOW_BAN"), ("rejected", None), ("463", None)])
def test_only_a_shadow_ban_has_a_code(code: str, expected: str | None) -> None:
    assert faults.error_code(code) == expected


def test_no_code_is_translated_that_does_not_exist() -> None:
    documented = set(re.findall(r'<a id="([^"]+)"', ERRORS.read_text("utf-8")))
    assert [code for code in faults._TEXTS if code not in documented and not code.isdecimal()] == []


def test_the_texts_are_those_that_the_vendor_documents() -> None:
    notes = shared("specs/zapi-surface/NOTES.md").read_text("utf-8")
    listed = notes.partition("### DeliveryCallback.error texts")[2].partition("\nDisconnectedCallback")[0]
    documented = {line.removeprefix("- ") for line in listed.splitlines() if line.startswith("- ")}
    documented.remove("Unsupported sticker format: {content-type}")
    assert documented == faults._KNOWN
