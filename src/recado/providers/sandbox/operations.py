"""Every operation beyond messages, on what the sandbox keeps of its accounts."""

from recado.providers.sandbox.catalogue import Catalogue
from recado.providers.sandbox.channels import Channels
from recado.providers.sandbox.chats import Chats
from recado.providers.sandbox.groups import Groups
from recado.providers.sandbox.people import People


class Operations(People, Chats, Groups, Channels, Catalogue):
    """All areas. They work while the session is connected."""
