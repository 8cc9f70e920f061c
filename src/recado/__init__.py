"""Recado: a self-hosted, multi-tenant WhatsApp messaging gateway that does not lose messages."""

from importlib.metadata import version

__version__ = version("recado")
