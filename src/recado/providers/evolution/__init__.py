"""Evolution API v2: one adapter over its HTTP API and its webhooks, for phones and for its Cloud channel.

adapter.py     sending, sessions, webhooks
media.py       received media
calls.py       one request: address, key, instance
payloads.py    content to route and JSON, and the server's limits
answers.py     what an answer means
webhooks.py    webhook bodies to events: which reader reads what
envelope.py    what the readers share
messages.py    messages, receipts, changes, votes
notices.py     everything else
operations.py  contacts, chats, labels, catalogue, privacy, stories, profile
groups.py      groups
README.md      what the adapter can do, and the decisions behind it
"""
