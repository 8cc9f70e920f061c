"""The adapter over the test client."""

import pytest

from recado.kit.http import Http
from recado.providers.uazapi.adapter import Uazapi


@pytest.fixture
def uazapi(client: Http) -> Uazapi:
    return Uazapi(client, timeout=5.0)
