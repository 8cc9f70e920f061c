"""WAHA fulfils the contract of every provider."""

import hashlib
import hmac

import msgspec
import pytest

from recado.kit.http import Http
from recado.providers.waha.adapter import Waha
from recado.testing import contract, tables
from tests.providers.waha.rows import GOWS, KEY, SECRET, SENT, connect


@pytest.fixture
def subject(client: Http) -> contract.Subject:
    return contract.Subject(
        provider=Waha(client, timeout=0.5),
        connect=connect,
        message=tables.outgoing(GOWS[0]),
        success=SENT,
        secrets=(KEY, SECRET),
    )


@pytest.mark.parametrize("fault", contract.FAULTS, ids=str)
async def test_faults(subject: contract.Subject, fault: contract.Fault) -> None:
    await contract.over_http(subject, fault)


async def test_success(subject: contract.Subject) -> None:
    await contract.accepts(subject)


def test_describes_itself(waha: Waha) -> None:
    contract.describes_itself(waha)


def test_reads_only_its_own(waha: Waha) -> None:
    contract.reads_only_its_own(waha)


def test_forgeries(subject: contract.Subject) -> None:
    body = '{"event": "message.any", "text": "não é ASCII"}'.encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest()
    good = {"x-webhook-hmac": signature, "x-webhook-hmac-algorithm": "sha512"}
    contract.refuses_forgeries(subject.provider, connect("http://x.test"), body, good)


def test_the_example_that_waha_publishes(waha: Waha) -> None:
    body = b'{"event":"message","session":"default","engine":"WEBJS"}'
    signature = (
        "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"
        "097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
    )
    connection = msgspec.structs.replace(connect("http://x.test"), credentials={"webhook_secret": "my-secret-key"})
    assert waha.verify(connection, {"x-webhook-hmac": signature}, body)
    assert not waha.verify(connection, {"x-webhook-hmac": signature, "x-webhook-hmac-algorithm": "sha1"}, body)
