"""Evolution fulfils the contract of every provider."""

import pytest

from recado.kit.http import Http
from recado.providers.evolution.adapter import Evolution
from recado.testing import contract, tables
from tests.providers.evolution.rows import API_KEY, PHONE, SECRET, SENT, TOKEN, connect


@pytest.fixture
def subject(client: Http) -> contract.Subject:
    return contract.Subject(
        provider=Evolution(client, timeout=0.5),
        connect=connect,
        message=tables.outgoing(PHONE[0]),
        success=SENT,
        secrets=(TOKEN, API_KEY, SECRET),
    )


@pytest.mark.parametrize("fault", contract.FAULTS, ids=str)
async def test_faults(subject: contract.Subject, fault: contract.Fault) -> None:
    await contract.over_http(subject, fault)


async def test_success(subject: contract.Subject) -> None:
    await contract.accepts(subject)


def test_it_describes_itself_and_reads_only_its_own(subject: contract.Subject) -> None:
    contract.describes_itself(subject.provider)
    contract.reads_only_its_own(subject.provider)


def test_forgeries(evolution: Evolution) -> None:
    """The server signs nothing: a header that we registered is all there is, and it does not cover the body."""
    connection, body = connect("http://x.test"), b"{}"
    good = {"x-recado-secret": SECRET}
    assert evolution.verify(connection, good, body)
    for forged in ("", SECRET[:-1], SECRET + "x", "é" * len(SECRET), SECRET.upper(), "\udc80"):
        assert not evolution.verify(connection, {"x-recado-secret": forged}, body)
    assert not evolution.verify(connection, {}, body)
    bare = tables.connection("http://x.test", kind="evolution")
    assert not evolution.verify(bare, good, body)
    assert not evolution.verify(bare, {"x-recado-secret": ""}, body)
    assert not evolution.verify(bare, {}, body)
