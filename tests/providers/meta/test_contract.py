"""Meta fulfils the contract of every provider."""

import hashlib
import hmac

import pytest

from recado.kit.http import Http
from recado.providers.meta.adapter import Meta
from recado.testing import contract, tables
from tests.providers.meta.rows import APP_SECRET, DOCUMENTED, SENT, TOKEN, VERIFY_TOKEN, connect


@pytest.fixture
def subject(client: Http) -> contract.Subject:
    return contract.Subject(
        provider=Meta(client, timeout=0.5),
        connect=connect,
        message=tables.outgoing(DOCUMENTED[0]),
        success=SENT,
        secrets=(TOKEN, APP_SECRET, VERIFY_TOKEN),
    )


@pytest.mark.parametrize("fault", contract.FAULTS, ids=str)
async def test_faults(subject: contract.Subject, fault: contract.Fault) -> None:
    await contract.over_http(subject, fault)


async def test_success(subject: contract.Subject) -> None:
    await contract.accepts(subject)


def test_forgeries(subject: contract.Subject) -> None:
    body = '{"entry": [{"text": "não é ASCII"}]}'.encode()
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    contract.refuses_forgeries(subject.provider, connect("http://x.test"), body, {"x-hub-signature-256": signature})
