"""The adapter of the built-in engine, without an engine behind it."""
