"""A served Recado with a company and a phone on a scripted provider; and a company straight in the store."""

from collections.abc import AsyncIterator

import pytest

from recado.app import Recado
from tests.identity.scripted import Phone, make_phone
from tests.support import client
from tests.support.client import Client


@pytest.fixture
async def admin(served: Recado) -> AsyncIterator[Client]:
    async with client.connect(served.url, served.admin_token) as made:
        yield made


@pytest.fixture
async def phone(served: Recado, admin: Client) -> Phone:
    settings: dict[str, object] = {**client.NO_PACING, "settle_seconds": 0}
    return await make_phone(served, admin, settings=settings)
