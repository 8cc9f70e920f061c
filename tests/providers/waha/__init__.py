"""WAHA against its contract, its document and its published webhooks."""
