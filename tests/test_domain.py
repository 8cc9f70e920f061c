"""The domain's own rules, without anything around them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from recado.domain import content, ids, phones


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)])
def test_a_time_before_all_ids_has_the_smallest_of_them(at: datetime) -> None:
    assert ids.lowest(at) == ids.lowest(datetime.fromtimestamp(0, UTC)) < ids.new()


def test_an_address_is_short_however_it_is_spelt() -> None:
    assert phones.parse(" +55 (11) 99999-0001 ").value == "5511999990001"
    with pytest.raises(ValueError, match="too long"):
        phones.parse("5511999990001" + " " * 100_000)


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


def test_data_of_the_callers_own_shape_is_not_nested_without_end() -> None:
    item = {"name": "n", "product_id": "p", "quantity": 1, "amount": 1}
    for levels, fits in ((content.DEEPEST, True), (content.DEEPEST + 1, False), (900, False)):
        assert content.too_deep(nested(levels)) is not fits
        order = {"reference_id": "r", "items": [item], "payment": nested(levels)}
        template = {"name": "t", "components": [nested(levels - 1)]}
        for kind, raw in (("order", order), ("template", template)):
            body = msgspec.json.encode(raw)
            if fits:
                content.decode(kind, body)
            else:
                with pytest.raises(msgspec.ValidationError, match="nested more than"):
                    content.decode(kind, body)
