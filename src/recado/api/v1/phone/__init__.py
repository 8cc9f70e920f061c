"""`/v1/instances/{id}/…`: what the phone behind an instance has beyond messages, asked of its provider.

directory.py    the address book, who is on WhatsApp, the block list
chats.py        chats, presence, calls
groups.py       groups and communities
channels.py     channels (newsletters) and stories
business.py     labels and the catalogue
profile.py      the number's own profile and privacy

What a provider does not have answers 422 `unsupported_by_provider`; `GET /v1/instances/{id}/operations` lists what
it has, and docs/reference/providers.md what every provider has.
"""

from recado.api.v1.phone import business, channels, chats, directory, groups, profile

ROUTERS = (
    *directory.routers,
    *chats.routers,
    *groups.routers,
    *channels.routers,
    *business.routers,
    *profile.routers,
)
