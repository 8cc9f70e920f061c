"""WAHA over a client that may reach the loopback."""

import pytest

from recado.kit.http import Http
from recado.providers.waha.adapter import Waha


@pytest.fixture
def waha(client: Http) -> Waha:
    return Waha(client, timeout=5.0)
