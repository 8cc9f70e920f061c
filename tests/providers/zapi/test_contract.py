"""Z-API fulfils the contract of every provider."""

import gzip

import msgspec
import pytest

from recado.kit.http import Http
from recado.providers.zapi.adapter import Zapi
from recado.testing import contract, tables
from tests.providers.zapi.rows import CLIENT_TOKEN, INSTANCE, SENDS, SENT, TOKEN, connect


@pytest.fixture
def subject(client: Http) -> contract.Subject:
    return contract.Subject(
        provider=Zapi(client, timeout=0.5),
        connect=connect,
        message=tables.outgoing(SENDS[0]),
        success=SENT,
        secrets=(TOKEN, CLIENT_TOKEN),
    )


@pytest.mark.parametrize("fault", contract.FAULTS, ids=str)
async def test_faults(subject: contract.Subject, fault: contract.Fault) -> None:
    await contract.over_http(subject, fault)


async def test_success(subject: contract.Subject) -> None:
    await contract.accepts(subject)


def test_it_describes_itself(zapi: Zapi) -> None:
    contract.describes_itself(zapi)


def test_it_reads_only_its_own(zapi: Zapi) -> None:
    contract.reads_only_its_own(zapi)


def test_forgeries(zapi: Zapi) -> None:
    """Z-API signs nothing and sends no header of ours: the body must name the instance, the address is the secret."""
    connection = connect("http://x.test")

    def body(instance: object) -> bytes:
        return msgspec.json.encode({"type": "ReceivedCallback", "instanceId": instance})

    assert zapi.verify(connection, {}, body(INSTANCE))
    assert zapi.verify(connection, {}, gzip.compress(body(INSTANCE)))
    for forged in (INSTANCE[:-1], INSTANCE + "A", INSTANCE.lower(), "é" * len(INSTANCE), "", None, 17, [INSTANCE]):
        assert not zapi.verify(connection, {}, body(forged)), forged
    for other in (b"", b"[]", b"{}", b'{"type": "ReceivedCallback"}', b"\x1f\x8bgarbage", gzip.compress(b"[]")[:-3]):
        assert not zapi.verify(connection, {}, other), other
    nobody = msgspec.structs.replace(connection, credentials={}, account=None)
    assert not zapi.verify(nobody, {}, body(INSTANCE))
    assert not zapi.verify(nobody, {}, body(""))
    # An instance that Recado made is known by its account.
    made = msgspec.structs.replace(nobody, account=INSTANCE)
    assert zapi.verify(made, {}, body(INSTANCE))
