"""The watch over the run's logs works: a secret that one test logs is found at the end of the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recado.kit import crypto, signing, tokens
from tests.support import secrets

_TEST = """
import structlog
from recado.kit import tokens
from tests.support import secrets

def test_logs():
    structlog.get_logger("x").info("hello", about={about})
"""


@pytest.mark.parametrize(
    ("about", "found"),
    [
        ("secrets.text('Olá')", True),
        ("secrets.register('7c1f22aa90b1')", True),
        ("tokens.make('co')", False),
        ("'harmless'", False),
    ],
    ids=["a message text", "a secret", "a token, masked by the log itself", "nothing"],
)
def test_a_run_that_logs_a_secret_fails(tmp_path: Path, about: str, found: bool) -> None:
    root = Path(__file__).parents[1]
    directory = tmp_path / "tests"
    directory.mkdir()
    (directory / "conftest.py").write_text("from tests.conftest import pytest_configure, pytest_unconfigure\n")
    (directory / "test_it.py").write_text(_TEST.format(about=about))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "RECADO"))}
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            str(root / "pyproject.toml"),
            str(directory),
        ],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr
    assert (run.returncode == 1) is found
    assert ("a secret in the logs" in run.stdout) is found


def test_what_is_made_registers_itself() -> None:
    token, secret = tokens.make("co"), signing.make_secret()
    crypto.Keyring([b"k" * 32]).seal({"access_token": "meta-access-token-1", "phone_number_id": "1234567890"}, b"x")
    known = "\n".join(file.read_text() for file in Path(os.environ["RECADO_TEST_DIR"]).glob("secrets-*"))
    assert token in known
    assert secret in known
    assert secrets.register("registered-by-hand") == "registered-by-hand"
    assert "1234567890" not in known.splitlines()
