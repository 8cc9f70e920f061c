"""What holds for every provider that Recado lists."""

import pytest

from recado import providers
from recado.domain.provider import Provider
from recado.kit.http import Http
from recado.testing import contract
from tests.providers.meta.rows import connect

OFFLINE = providers.registry()


@pytest.mark.parametrize("provider", OFFLINE.values(), ids=lambda provider: provider.kind)
class TestEveryProvider:
    def test_describes_itself(self, provider: Provider) -> None:
        contract.describes_itself(provider)

    def test_reads_only_its_own(self, provider: Provider) -> None:
        contract.reads_only_its_own(provider)


def test_both_registries_list_the_same_kinds(client: Http) -> None:
    built = providers.build(client, graph_version="v23.0", sandbox=OFFLINE["sandbox"], native=OFFLINE["native"])
    assert set(built) == set(OFFLINE) == set(providers.KINDS)
    assert all(kind == provider.kind for kind, provider in built.items())


async def test_a_provider_of_the_offline_registry_says_so_when_called() -> None:
    with pytest.raises(RuntimeError, match="use `build\\(\\)`"):
        await OFFLINE["meta"].health(connect("http://127.0.0.1:9").server)
