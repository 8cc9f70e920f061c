"""The sandbox provider: phones that exist only in the database and do as they are told. See README.md.

`adapter.py` is the provider, `webhooks.py` its wire format, `samples.py` the media of its phones. Where phones
live and how they are driven: `store/sandbox.py`, `services/sandbox.py`, `workers/sandbox.py`.
"""
