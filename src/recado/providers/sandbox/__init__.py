"""The sandbox provider: phones that exist only in the database and do as they are told. See README.md.

adapter.py     the provider
webhooks.py    its wire format
samples.py     the media of its phones
operations.py  everything beyond messages: people.py, chats.py, groups.py, channels.py, catalogue.py
world.py       how those see the world, and what they share
things.py      what is kept of it

Where phones live and how they are driven: `store/sandbox.py`, `services/sandbox.py`, `workers/sandbox.py`; where the
world is kept: `store/sandbox_things.py`, `services/sandbox_world.py`.
"""
