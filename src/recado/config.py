"""Every setting of Recado, read from `RECADO_…` environment variables once at the start and passed down.

`recado config` lists them with their help. Anything wrong ends the start with a message that names the variable.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_RATE = re.compile(r"^\s*\d+\s*(/|per)\s*(\d+\s*)?(second|minute|hour|day)s?\s*$", re.IGNORECASE)


class Settings(BaseSettings):
    """The defaults run everything on one machine: the embedded database, media on disk, limits in memory."""

    model_config = SettingsConfigDict(env_prefix="RECADO_", frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(
        Path("data"), description="Folder of everything Recado keeps on disk: database, secret key, media."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="How providers and companies reach this API, as in https://api.example.com."
    )

    database_url: str | None = Field(
        None,
        description="PostgreSQL 15 or newer, as the owner: postgresql://user@host/name. Unset: the embedded server.",
        repr=False,
    )
    pool_size: int = Field(8, ge=2, le=200, description="Connections to the database per pool; there are two pools.")

    admin_token: str | None = Field(
        None, description="The first admin token. Unset: one is made at the first start and printed once.", repr=False
    )
    secret_key: str | None = Field(
        None,
        description="Keys that encrypt stored credentials, comma separated: the first encrypts, all decrypt. "
        "Unset: made at the first start and kept in secret.key of the data directory.",
        repr=False,
    )

    redis_url: str | None = Field(
        None,
        description="Redis or Valkey, to share rate limits between processes. Unset: each process counts.",
        repr=False,
    )
    media_url: str | None = Field(
        None,
        description="Where media is kept: file:///path, s3://bucket/prefix, gs://…, az://…. Unset: in the data directory.",
        repr=False,
    )

    max_body_bytes: int = Field(16_000_000, ge=1_000, description="Largest JSON body that is accepted.")
    max_media_bytes: int = Field(100_000_000, ge=1_000, description="Largest media file that is accepted or fetched.")
    allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Private networks that webhooks, media links and provider servers may live in, "
        "as CIDRs, comma separated. All others are refused.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks of the proxies in front, as CIDRs, comma separated: whom they name in X-Forwarded-For is the "
        "caller. Unset: whoever connects is.",
    )

    send_concurrency: int = Field(128, ge=1, description="Messages being sent at once by one process.")
    send_timeout_seconds: float = Field(30, gt=0, description="How long one call to a provider may take.")
    lease_seconds: float = Field(
        60, gt=0, description="How long a lane belongs to the process that claimed it; longer than the send timeout."
    )
    delivery_concurrency: int = Field(64, ge=1, description="Webhook deliveries under way at once in one process.")
    delivery_timeout_seconds: float = Field(15, gt=0, description="How long a company's endpoint may take to answer.")
    zapi_http_webhooks: bool = Field(
        False,
        description="Whether clients of the Z-API surface may set webhooks that are not https; Z-API itself refuses them.",
    )

    native_capacity: int = Field(
        100,
        ge=1,
        le=2_000,
        description="Numbers that one process of the built-in engine holds; each takes two connections to the database.",
    )

    meta_graph_version: str = Field(
        "v23.0", pattern=r"^v\d+\.\d+$", description="Version of Meta's Graph API that requests name."
    )

    company_rate_limit: str | None = Field(
        None, description="Messages a company may hand in, as in 600/minute. Unset: no limit."
    )
    instance_rate_limit: str | None = Field(
        None, description="Messages an instance may be given, as in 60/minute. Unset: no limit."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", description="auto is pretty on a terminal and JSON elsewhere."
    )
    sentry_dsn: str | None = Field(None, description="Sentry project that unexpected errors go to.", repr=False)
    otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector that traces go to, as in http://localhost:4318."
    )

    shutdown_grace_seconds: float = Field(25, ge=0, description="How long SIGTERM waits for what is in flight.")

    raw_webhook_days: int = Field(30, ge=1, description="Days to keep the provider webhooks as they came.")
    message_days: int = Field(365, ge=1, description="Days to keep messages, their attempts and receipts.")
    event_days: int = Field(90, ge=1, description="Days to keep events and their deliveries.")
    idempotency_days: int = Field(7, ge=1, description="Days in which a repeated request is recognised.")

    @field_validator("allowed_networks", "trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_networks", "trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(network, strict=False)) for network in value)

    @field_validator("company_rate_limit", "instance_rate_limit")
    @classmethod
    def _check_rate(cls, value: str | None) -> str | None:
        if value is not None and not _RATE.match(value):
            raise ValueError("a rate looks like 600/minute, 10/second or 5000 per 2 hours")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("an address starts with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("database_url", "redis_url", "media_url", "sentry_dsn", "otlp_endpoint", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        """`RECADO_REDIS_URL=` in an environment file means what leaving the line out means."""
        return None if value == "" else value

    @model_validator(mode="after")
    def _check_lease(self) -> Self:
        if self.lease_seconds <= self.send_timeout_seconds:
            raise ValueError("RECADO_LEASE_SECONDS must be longer than RECADO_SEND_TIMEOUT_SECONDS")
        return self

    @property
    def base_url(self) -> str:
        """How this API is reached: `public_url`, or this machine's own address."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104  # compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def postgres_dir(self) -> Path:
        """The embedded server's folder."""
        return self.data_dir / "postgres"

    @property
    def postgres_connections(self) -> int:
        """How many connections the embedded server takes: twice the pools of a gateway and an engine, some for commands,
        and two for each number of the engine."""
        return 8 * self.pool_size + 32 + 2 * self.native_capacity

    @property
    def secret_key_path(self) -> Path:
        """Where the key is kept while `secret_key` is unset."""
        return self.data_dir / "secret.key"

    @property
    def media_location(self) -> str:
        """`media_url`, or the media folder of the data directory as a file URL."""
        return self.media_url or (self.data_dir / "media").resolve().as_uri()
