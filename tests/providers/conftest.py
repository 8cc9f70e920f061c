"""Fixtures of the provider tests: a client that may reach the loopback, and Meta over it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recado.kit.http import Http
from recado.providers.meta.adapter import Meta

#: Data that the steering repository shares with this one; it is not part of a release.
SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture
async def client() -> AsyncIterator[Http]:
    client = Http(allowed_networks=["127.0.0.0/8"], user_agent="recado/0.1.0")
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
def meta(client: Http) -> Meta:
    return Meta(client, graph_version="v23.0", timeout=5.0)


@pytest.fixture
def meta_specs() -> Path:
    """`../shared/specs/meta`. Where it is absent the test is skipped by name; in CI that is a failure."""
    return shared("specs/meta")


def shared(path: str) -> Path:
    found = SHARED / path
    if not found.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"../shared/{path} is absent")
        pytest.skip(f"needs ../shared/{path}")
    return found
