"""The built-in engine as a provider (`native`): whatsmeow in a process of ours, without a server of others.

adapter.py     connecting, sending, media; what the adapter needs of the engine (`Engine`)
operations.py  contacts, groups, channels and the rest
webhooks.py    what the engine told, as events
README.md      what it can do, and the decisions behind it

Nothing here imports neonize: the engine's own side is `recado.native`, its loops are in `workers/native.py`.
"""
