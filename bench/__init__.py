"""Measurements of the running product, each one run with what it is compared to beside it. `python -m bench`.

Nothing here imports the product except `backlog`, which measures its claiming of work: the rest starts
`recado serve` and talks HTTP to it. What each row measures, and how, is in README.md.
"""
