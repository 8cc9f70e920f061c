"""Fixtures of the Z-API tests."""

import pytest

from recado.kit.http import Http
from recado.providers.zapi.adapter import Zapi


@pytest.fixture
def zapi(client: Http) -> Zapi:
    return Zapi(client, timeout=5.0)
