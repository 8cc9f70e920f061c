"""What a sandbox phone sends when it is told to send media without saying which: the smallest file of each kind."""

import struct
import zlib


def sample(kind: str) -> tuple[str, str, bytes]:
    """(MIME type, file name, bytes) for a media kind."""
    return _SAMPLES[kind]


def _png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0\x25\xd3\x66"))
        + chunk(b"IEND", b"")
    )


def _gif() -> bytes:
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def _webp() -> bytes:
    # One transparent pixel, lossless (VP8L).
    bitstream = bytes.fromhex("2f000000100710111188880807")
    padded = bitstream + b"\0" * (len(bitstream) % 2)
    chunk = b"VP8L" + struct.pack("<I", len(bitstream)) + padded
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _ogg() -> bytes:
    # One Ogg page with the header of a mono Opus stream of 48 kHz; the checksum is left out.
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    return b"OggS" + struct.pack("<BBqIIIBB", 0, 2, 0, 1, 0, 0, 1, len(head)) + head


def _mp4() -> bytes:
    brand = b"ftypisom" + struct.pack(">I", 512) + b"isomiso2mp41"
    return struct.pack(">I", len(brand) + 4) + brand + struct.pack(">I", 8) + b"mdat"


def _pdf() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )


_SAMPLES = {
    "image": ("image/png", "sandbox.png", _png()),
    "gif": ("image/gif", "sandbox.gif", _gif()),
    "sticker": ("image/webp", "sandbox.webp", _webp()),
    "audio": ("audio/ogg", "sandbox.ogg", _ogg()),
    "voice": ("audio/ogg", "sandbox.ogg", _ogg()),
    "video": ("video/mp4", "sandbox.mp4", _mp4()),
    "ptv": ("video/mp4", "sandbox.mp4", _mp4()),
    "document": ("application/pdf", "sandbox.pdf", _pdf()),
}
