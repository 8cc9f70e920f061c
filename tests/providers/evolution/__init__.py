"""Evolution API v2 against its contract, its document and captured webhooks."""
