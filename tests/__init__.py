"""Tests of what Recado promises: HTTP in, rows and provider requests out, on a real PostgreSQL and real sockets."""
