"""Z-API as a provider: one adapter over its HTTP API and its webhooks.

adapter.py     connecting, sending, webhooks' proof, media, health
calls.py       one request below an instance's address, and what its answer means outside of a send
errors.py      Z-API's error texts to outcomes
addresses.py   WhatsApp ids as Z-API writes them
payloads.py    content to the route and JSON that Z-API takes
about.py       the same for what speaks of an earlier message
shapes.py      what several requests have in common
limits.py      what Z-API's pages rule out in a content
webhooks.py    webhook bodies to events: messages
contents.py    the content of received messages
notices.py     webhook bodies to events: everything else
operations.py  contacts, chats, labels, catalogue, privacy, stories, profile
groups.py      groups, communities, channels
README.md      what the adapter can do, and the decisions behind it
"""
