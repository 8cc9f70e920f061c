"""Pictures become what WhatsApp takes."""

import io

import pytest

from recado.providers.sandbox import samples

pytest.importorskip("PIL", reason="the extra `native` brings it")


def test_other_pictures_become_jpeg() -> None:
    from PIL import Image

    from recado.native import pictures

    for kind in ("image", "sticker", "gif"):
        _, _, data = samples.sample(kind)
        made = pictures.jpeg(data)
        with Image.open(io.BytesIO(made)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (1, 1))
    out = io.BytesIO()
    Image.new("RGBA", (2_000, 1_000), (0, 0, 0, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(pictures.jpeg(out.getvalue()))) as picture:
        assert picture.size == (640, 320)
        assert picture.getpixel((0, 0)) == (255, 255, 255), "what is transparent is white"


def test_a_jpeg_stays_as_it_is() -> None:
    from recado.native import pictures

    assert pictures.jpeg(b"\xff\xd8\xff\xe0whatever") == b"\xff\xd8\xff\xe0whatever"


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_says_so(data: bytes) -> None:
    from recado.native import pictures

    with pytest.raises(ValueError, match="cannot be read"):
        pictures.jpeg(data)
