"""Grey 8-bit PNG files with the standard library alone (https://www.w3.org/TR/png-3/): enough for small pictures."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode(pixels: list[list[int]]) -> bytes:
    """A picture from its rows, each value from 0 to 255."""
    height, width = len(pixels), len(pixels[0])
    # Width, height, 8 bits, grey, and the one method there is of compression, filtering and interlacing.
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    # Each row begins with its filter, which is none.
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in pixels), 9)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def decode(image: bytes) -> list[list[int]]:
    """The rows of a picture that `encode` made; another kind of PNG is an error."""
    if not image.startswith(SIGNATURE):
        raise ValueError("this is no PNG file")
    width = height = 0
    data = b""
    position = len(SIGNATURE)
    while position < len(image):
        length, kind = struct.unpack_from(">I4s", image, position)
        content = image[position + 8 : position + 8 + length]
        position += length + 12
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", content)
            if rest != [8, 0, 0, 0, 0]:
                raise ValueError("only grey pictures of 8 bits are read")
        elif kind == b"IDAT":
            data += content
    rows = zlib.decompress(data)
    step = width + 1
    if len(rows) != step * height or any(rows[::step]):
        raise ValueError("the picture uses a filter, or is cut short")
    return [list(rows[start + 1 : start + step]) for start in range(0, len(rows), step)]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
