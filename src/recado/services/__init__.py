"""Use cases: what Recado does when it is called, independent of who calls (API, worker, command line).

Rules live here; SQL in store, wire formats in providers and api, loops in workers.
"""
