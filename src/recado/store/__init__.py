"""The only SQL of Recado.

`sql/<table>.sql` holds named queries, `<table>.py` the typed functions over them, `migrations/` the schema.
Functions take a connection and never begin or commit: the caller owns the transaction. What lives elsewhere:
rules (services), loops (workers).
"""
