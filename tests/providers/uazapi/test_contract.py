"""UAZAPI fulfils the contract of every provider."""

import msgspec
import pytest

from recado.kit.http import Http
from recado.providers.uazapi.adapter import Uazapi
from recado.testing import contract, tables
from tests.providers.uazapi.rows import SENDS, SENT, TOKEN, connect


@pytest.fixture
def subject(client: Http) -> contract.Subject:
    return contract.Subject(
        provider=Uazapi(client, timeout=0.5),
        connect=connect,
        message=tables.outgoing(SENDS[0]),
        success=SENT,
        secrets=(TOKEN,),
    )


@pytest.mark.parametrize("fault", contract.FAULTS, ids=str)
async def test_faults(subject: contract.Subject, fault: contract.Fault) -> None:
    await contract.over_http(subject, fault)


async def test_success(subject: contract.Subject) -> None:
    await contract.accepts(subject)


def test_it_describes_itself(uazapi: Uazapi) -> None:
    contract.describes_itself(uazapi)
    contract.reads_only_its_own(uazapi)


def test_forgeries(uazapi: Uazapi) -> None:
    """UAZAPI signs nothing: the body holds the token, so what a forger lacks is the token."""
    connection = connect("http://127.0.0.1:9")
    good = msgspec.json.encode({"EventType": "messages", "message": {"token": "x"}, "token": TOKEN})
    assert uazapi.verify(connection, {}, good)
    for forged in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper() + "é", "é" * len(TOKEN), TOKEN + TOKEN):
        assert not uazapi.verify(connection, {}, msgspec.json.encode({"token": forged})), forged
    for body in (
        b"",
        b"null",
        b"[]",
        b'{"token": 17}',
        b'{"message": {"token": "%s"}}' % TOKEN.encode(),
        b"[" * 99_999,
    ):
        assert not uazapi.verify(connection, {}, body)
    bare = msgspec.structs.replace(connection, credentials={})
    assert not uazapi.verify(bare, {}, good)
    assert not uazapi.verify(bare, {}, b'{"token": ""}')
