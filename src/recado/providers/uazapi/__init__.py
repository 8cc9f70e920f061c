"""UAZAPI (uazapiGO): one adapter over its HTTP API and its webhooks.

adapter.py     sending, sessions, media, and what the connection is asked
calls.py       one request with the right token, and what a failed one means
payloads.py    content to route and JSON, and what is known to be refused
errors.py      UAZAPI's own error words to outcomes
webhooks.py    webhook bodies to events: messages, receipts, the connection
notices.py     webhook bodies to events: groups, calls, presence, contacts, chats, labels
people.py      contacts, blocks, chats, presence, labels, privacy, profile, stories, catalogue
rooms.py       groups, communities, channels
README.md      what the adapter can do, and the decisions behind it
"""
