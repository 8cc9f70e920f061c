"""Settings: every one documented and named RECADO_…, wrong ones refused with their name, secrets not shown."""

from pathlib import Path

import pydantic
import pytest

from recado.config import Settings


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_says_what_it_does(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert field.description.endswith((".", "…"))
    assert not field.is_required(), "everything has a safe default"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECADO_PORT", "9000")
    monkeypatch.setenv("RECADO_DATA_DIR", "/srv/recado")
    monkeypatch.setenv("RECADO_ALLOWED_NETWORKS", "10.0.0.0/8, 192.168.1.7,fd00::/8")
    monkeypatch.setenv("RECADO_TRUSTED_PROXIES", "10.0.0.7")
    monkeypatch.setenv("RECADO_REDIS_URL", "")
    settings = Settings()
    assert settings.port == 9000
    assert settings.data_dir == Path("/srv/recado")
    assert settings.allowed_networks == ("10.0.0.0/8", "192.168.1.7/32", "fd00::/8")
    assert settings.redis_url is None
    assert settings.postgres_dir == Path("/srv/recado/postgres")
    assert settings.media_location == "file:///srv/recado/media"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECADO_PORT", "many"),
        ("RECADO_PORT", "70000"),
        ("RECADO_ALLOWED_NETWORKS", "10.0.0.0/40"),
        ("RECADO_COMPANY_RATE_LIMIT", "fast"),
        ("RECADO_PUBLIC_URL", "api.example.com"),
        ("RECADO_META_GRAPH_VERSION", "23"),
        ("RECADO_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(pydantic.ValidationError) as raised:
        Settings()
    assert name.removeprefix("RECADO_").lower() in str(raised.value)


def test_a_lease_outlasts_a_send() -> None:
    with pytest.raises(pydantic.ValidationError, match="RECADO_LEASE_SECONDS must be longer"):
        Settings(lease_seconds=10, send_timeout_seconds=30)


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        admin_token="rcd_adm_secret",
        secret_key="c2VjcmV0",
        database_url="postgresql://a:secret@h/d",
        sentry_dsn="https://secret@s/1",
    )
    assert "secret" not in repr(settings)
    assert "c2VjcmV0" not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:8080"),
        (Settings(host="0.0.0.0", port=80), "http://127.0.0.1:80"),
        (Settings(host="::1"), "http://[::1]:8080"),
        (Settings(public_url="https://api.example.com/"), "https://api.example.com"),
    ],
    ids=["default", "every interface", "IPv6", "public"],
)
def test_the_address_it_is_reached_at(settings: Settings, url: str) -> None:
    assert settings.base_url == url


@pytest.mark.parametrize("rate", ["600/minute", "10/second", "5000 per 2 hours", "1 per day"])
def test_rates_are_those_of_limits(rate: str) -> None:
    from limits import parse

    assert Settings(company_rate_limit=rate).company_rate_limit == rate
    assert parse(rate).amount > 0
