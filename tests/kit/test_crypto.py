import base64
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recado.kit import crypto

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
RING = crypto.Keyring([NEW, OLD])


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_encrypted_comes_back(data: bytes, context: bytes) -> None:
    assert RING.decrypt(RING.encrypt(data, context), context) == data


@given(st.dictionaries(st.text(), st.text(), max_size=5), st.binary(max_size=50))
def test_what_was_sealed_opens(values: dict[str, str], context: bytes) -> None:
    assert RING.open(RING.seal(values, context), context) == values


@given(st.binary(max_size=40), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_noticed(data: bytes, position: int, flip: int) -> None:
    blob = bytearray(RING.encrypt(data, b"row 1"))
    blob[position % len(blob)] ^= flip
    with pytest.raises((crypto.Damaged, crypto.KeyMissing)):
        RING.decrypt(bytes(blob), b"row 1")


@given(st.binary(max_size=60))
def test_what_is_no_blob_is_damaged_or_of_an_unknown_key(data: bytes) -> None:
    with pytest.raises((crypto.Damaged, crypto.KeyMissing)):
        RING.decrypt(data, b"")


def test_the_context_is_authenticated() -> None:
    blob = RING.encrypt(b"secret", b"server 1")
    with pytest.raises(crypto.Damaged):
        RING.decrypt(blob, b"server 2")


def test_the_layout_is_version_key_id_nonce_ciphertext() -> None:
    blob = RING.encrypt(b"12345", b"")
    assert blob[:1] == b"\x01"
    assert len(blob) == 1 + 4 + 12 + 5 + 16
    assert blob[1:5] == crypto.Keyring([NEW]).encrypt(b"", b"")[1:5] != crypto.Keyring([OLD]).encrypt(b"", b"")[1:5]
    assert RING.encrypt(b"12345", b"") != blob


def test_rotation_encrypts_with_the_first_key_and_reads_all() -> None:
    before = crypto.Keyring([OLD]).encrypt(b"secret", b"row")
    assert RING.decrypt(before, b"row") == b"secret"
    assert not RING.current(before)
    after = RING.encrypt(b"secret", b"row")
    assert RING.current(after)
    with pytest.raises(crypto.KeyMissing, match="RECADO_SECRET_KEY"):
        crypto.Keyring([OLD]).decrypt(after, b"row")


def test_opening_what_is_no_dict_quotes_nothing() -> None:
    blob = RING.encrypt(b'["sesame"]', b"")
    with pytest.raises(crypto.Damaged) as caught:
        RING.open(blob, b"")
    assert "sesame" not in str(caught.value)
    assert caught.value.__context__ is None


def test_parse_takes_a_list_of_keys_in_either_base64() -> None:
    plain, safe = base64.b64encode(NEW).decode(), base64.urlsafe_b64encode(b"\xff" * 32).decode()
    ring = crypto.parse(f" {plain} ,{safe},")
    assert ring.current(RING.encrypt(b"", b""))
    assert ring.decrypt(crypto.Keyring([b"\xff" * 32]).encrypt(b"x", b""), b"") == b"x"


@pytest.mark.parametrize("text", ["", ",", "sesame!", "c2VzYW1l", base64.b64encode(OLD).decode()[:-2], "é"])
def test_parse_refuses_what_is_no_key_without_quoting_it(text: str) -> None:
    with pytest.raises(crypto.InvalidKey) as caught:
        crypto.parse(text)
    assert text.strip(",") == "" or text not in str(caught.value)


def test_a_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    blob = crypto.load_or_create(path).encrypt(b"x", b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(path.read_text())) == 32
    assert crypto.load_or_create(path).decrypt(blob, b"") == b"x"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    barrier = threading.Barrier(8)
    rings: list[crypto.Keyring] = []

    def start() -> None:
        barrier.wait()
        rings.append(crypto.load_or_create(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blob = rings[0].encrypt(b"x", b"")
    assert [ring.decrypt(blob, b"") for ring in rings] == [b"x"] * 8


@pytest.mark.parametrize("content", [b"", b"sesame", b"\xff\xfe"])
def test_a_key_file_without_a_key_names_the_file_and_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    with pytest.raises(crypto.InvalidKey, match=r"secret\.key"):
        crypto.load_or_create(path)
    assert path.read_bytes() == content
