"""Helpers that know nothing of messages: they would serve any program that calls others and keeps secrets.

`http` calls out and refuses private addresses, `crypto` keeps secrets at rest, `tokens` makes and checks API
tokens, `signing` signs and verifies webhooks, `backoff` and `breaker` decide when to try again, `batching` lets
concurrent callers share one transaction, `signals` wakes loops of this process. Nothing here imports another
part of Recado.
"""
