"""The Z-API surface: accounts, webhooks in its shape, and what it needs beyond the services of all."""
