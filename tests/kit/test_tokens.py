import hashlib
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recado.kit import tokens

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
TOKEN = tokens.make("co")


@pytest.mark.parametrize("level", ["adm", "co", "in"])
def test_a_token_names_its_level_and_is_well_formed(level: tokens.Level) -> None:
    token = tokens.make(level)
    assert token.startswith(f"rcd_{level}_")
    assert len(token) == len(f"rcd_{level}_") + 27 + 6
    assert tokens.well_formed(token)
    assert tokens.make(level) != token


@given(st.integers(min_value=0, max_value=len(TOKEN) - 1), st.sampled_from(BASE62))
def test_one_mistyped_character_is_noticed(position: int, character: str) -> None:
    mistyped = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert tokens.well_formed(mistyped) == (mistyped == TOKEN)


@given(st.integers(min_value=7, max_value=len(TOKEN) - 2))
def test_two_exchanged_neighbours_are_noticed(position: int) -> None:
    exchanged = TOKEN[:position] + TOKEN[position + 1] + TOKEN[position] + TOKEN[position + 2 :]
    assert tokens.well_formed(exchanged) == (exchanged == TOKEN)


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert not tokens.well_formed(text)
    assert len(tokens.digest(text)) == 32
    assert tokens.hint(text) == "…"


@pytest.mark.parametrize(
    "change",
    [lambda t: t + "\n", lambda t: " " + t, lambda t: t.upper(), lambda t: t[:-1]],
    ids=["newline", "space", "case", "short"],
)
def test_near_tokens_are_none(change: Callable[[str], str]) -> None:
    assert not tokens.well_formed(change(TOKEN))


def test_the_digest_is_sha_256() -> None:
    assert tokens.digest(TOKEN) == hashlib.sha256(TOKEN.encode()).digest()


def test_the_hint_shows_level_and_end_only() -> None:
    assert tokens.hint(TOKEN) == f"rcd_co_…{TOKEN[-4:]}"
