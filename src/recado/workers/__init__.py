"""Loops: each takes due work from the database, does it through a service, and writes what became of it.

Any number of each may run, anywhere. None keeps work in memory that is not claimed by a lease in the database.
"""
