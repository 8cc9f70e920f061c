"""Pictures of profiles and groups, which WhatsApp takes as JPEG only."""

import io

from PIL import Image, UnidentifiedImageError

#: What WhatsApp shows at most; a larger one is made smaller.
_SIDE = 640
#: A picture of more is a bomb, not a profile.
_MOST_PIXELS = 50_000_000


def jpeg(data: bytes) -> bytes:
    """The picture as JPEG: as it is where it is one, else converted, what is transparent as white. Raises `ValueError`."""
    if data.startswith(b"\xff\xd8\xff"):
        return data
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError("The picture has too many pixels.")
            picture.thumbnail((_SIDE, _SIDE))
            shown = picture.convert("RGBA")
        ground = Image.new("RGB", shown.size, "white")
        ground.paste(shown, mask=shown.getchannel("A"))
        out = io.BytesIO()
        ground.save(out, "JPEG", quality=90)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError("The picture cannot be read.") from error
    return out.getvalue()
