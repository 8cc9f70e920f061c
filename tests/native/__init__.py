"""The built-in engine: leases and commands on PostgreSQL, and the real neonize over a Go library that is not there."""
