"""Messages as Z-API clients name them.

A message that was sent through us has its own id in 32 upper-case hex digits, or the id that its client gave it; one that
came in, or was written on the phone, has its WhatsApp id.
"""

import re
from typing import Any
from uuid import UUID

from recado.domain.ids import CompanyId, InstanceId
from recado.services.runtime import Runtime
from recado.store import messages

#: What WhatsApp ids look like, whoever made them. One that names nothing here is of before the migration. All of them have
#: a letter; a long number alone is what programs count their own messages by.
_WHATSAPP_ID = re.compile(r"(?=[0-9]*[A-F])[0-9A-F]{16,40}", re.ASCII)


def looks_like_whatsapps(message_id: str) -> bool:
    """Whether an id can be WhatsApp's, so that a client did not make it up for a message of its own."""
    return _WHATSAPP_ID.fullmatch(message_id) is not None


def shown(message_id: UUID, client_id: str | None) -> str:
    """The `messageId` of a message that was sent through us."""
    return client_id or message_id.hex.upper()


async def find(runtime: Runtime, company_id: CompanyId, instance_id: InstanceId, message_id: str) -> Any | None:
    """The message of an instance that a client means, as `store.messages.find` gives it; None when it has none such."""
    async with runtime.db.tenant(company_id) as connection:
        found = await messages.find(connection, company_id, instance_id, message_id)
        return found or await messages.find_by_client_id(connection, company_id, instance_id, message_id)
