"""The native API, one module per noun. Every module has a `router`."""
