"""WAHA: one adapter over its HTTP API, whichever of its four engines runs behind it.

adapter.py       sending, media, webhooks' signatures, health
sessions.py      making sessions, pairing, status, webhook registration
operations.py    contacts, chats, presence, channels, labels, stories, profile
groups.py        groups
calls.py         one request, and what the others share
capabilities.py  what each engine can do
payloads.py      content to the requests that send it
ids.py           WAHA's ids of chats and messages, taken apart and put together
errors.py        WAHA's errors to outcomes
webhooks.py      webhook bodies to events
notices.py       those that tell of no message
contents.py      a received message's content
reading.py       reading loosely
README.md        what the adapter can do, and the decisions behind it
"""
