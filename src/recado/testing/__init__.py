"""What proves an adapter, shipped with Recado so that an adapter written elsewhere can be proved the same way.

contract.py  every fault a provider can answer with, and the outcomes that are honest for it
tables.py    rows of content, replies, expected requests and outcome
upstream.py  the local server both of them talk to

Nothing here imports pytest; tests parametrise over the rows.
"""
