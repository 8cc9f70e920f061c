"""The UAZAPI adapter."""
