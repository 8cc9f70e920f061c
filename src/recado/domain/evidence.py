"""Evidence that a number is not alive, and what a provider's word is worth beside it."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from recado.domain.provider import ConnectionState
from recado.domain.states import ConnectionStatus

EvidenceType = Literal["silent", "unacknowledged", "canary"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a connection cannot be alive, and since when that is known. `reason` is for people, `data` the facts."""

    type: EvidenceType
    at: datetime
    reason: str
    data: dict[str, Any]


def seen_as(state: ConnectionState, evidence: Evidence | None) -> ConnectionState:
    """What a provider says of a connection, in the light of the evidence that stands against it.

    `connected` is `degraded` then, with the evidence in its details. Everything else it says is believed.
    """
    if evidence is None or state.status is not ConnectionStatus.CONNECTED:
        return state
    told = {"type": evidence.type, "since": evidence.at.isoformat(), **evidence.data}
    return msgspec.structs.replace(
        state,
        status=ConnectionStatus.DEGRADED,
        reason=evidence.reason,
        details={**state.details, "evidence": told},
    )
