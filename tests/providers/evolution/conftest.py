"""Fixtures of Evolution's tests."""

import pytest

from recado.kit.http import Http
from recado.providers.evolution.adapter import Evolution


@pytest.fixture
def evolution(client: Http) -> Evolution:
    return Evolution(client, timeout=5.0)
