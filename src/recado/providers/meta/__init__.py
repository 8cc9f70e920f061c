"""The Meta Cloud API: one adapter over Graph's HTTP API and its webhooks.

adapter.py   the calls and what each answer means
payloads.py  content to the JSON of `POST /messages`, and Meta's limits on it
errors.py    Graph errors to outcomes
webhooks.py  webhook bodies to events
README.md    what the adapter can do, and the decisions behind it
"""
