"""Values that only the database can refuse are the caller's to change, not a fault of ours."""

import asyncpg
import pytest

from recado.api import errors


@pytest.mark.parametrize("refusal", [asyncpg.DataError("s3cret"), asyncpg.ProgramLimitExceededError("s3cret")])
def test_a_value_that_cannot_be_stored_is_a_422(refusal: Exception) -> None:
    error = errors.from_exception(refusal)
    assert error is not None
    assert (error.status, error.code) == (422, "unstorable")
    assert "s3cret" not in error.detail, "the database may quote the value"
