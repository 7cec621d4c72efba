"""PNG and JPEG pictures."""

from __future__ import annotations

import threading
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io.decoded import Decoded, check_size, coloured

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_OTHERS = (
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"RIFF", "a WebP"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK", "a zip archive"),
    (b"<", "a web page or XML"),
)
_strict = threading.Lock()


def decode(data: bytes, name: str) -> Decoded:
    """Read a PNG or JPEG picture from its bytes.

    8 and 16 bit, grey, colour, palette, with or without alpha (ignored), 1 bit, CMYK. What the bytes
    are decides, so a PNG that is called ``.jpg`` is read. The note ``colour`` tells of colours.

    Raises
    ------
    UnreadableError
        If it is no such picture, damaged, cut short or too large.
    """
    # An EXIF orientation is not applied: the mask is promised in the shape that the pixels are stored in.
    from PIL import ImageFile, JpegImagePlugin, PngImagePlugin

    opener: type[ImageFile.ImageFile]
    if data.startswith(_PNG):
        opener = PngImagePlugin.PngImageFile
    elif data.startswith(_JPEG):
        opener = JpegImagePlugin.JpegImageFile
    else:
        raise UnreadableError(_not_a_picture(data, name))
    try:
        # The plugin's own class and not Image.open: its limit on pixels is a global of the whole
        # process, and lies below 10,000 x 10,000. Ours is checked before anything is decoded.
        with opener(BytesIO(data)) as picture:
            check_size(name, picture.height, picture.width)
            _load(picture)
            pixels, notes = _grey(picture), _notes(picture)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like on forged bytes
        raise UnreadableError(
            f"{name} is damaged or cut short ({_short(error)}). Copy it again from its source."
        ) from error
    return Decoded(pixels[np.newaxis], pixels.shape, notes=notes)


def _load(picture: object) -> None:
    """Decode; never in the tolerant mode that another library in this process may have switched on."""
    from PIL import ImageFile

    if not ImageFile.LOAD_TRUNCATED_IMAGES:
        picture.load()  # type: ignore[attr-defined]
        return
    with _strict:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            picture.load()  # type: ignore[attr-defined]
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = True


def _grey(picture: object) -> NDArray[np.generic]:
    from PIL import Image

    assert isinstance(picture, Image.Image)
    if picture.mode.startswith("I;16"):
        array = np.asarray(picture)
        return array.astype(array.dtype.newbyteorder("="))
    if picture.mode in ("I", "F"):
        return np.array(picture)
    if picture.mode in ("RGBA", "LA", "PA", "P", "CMYK"):
        # By way of RGB, so that alpha is dropped and not blended, and a palette is looked up.
        return np.array(picture.convert("RGB").convert("L"))
    return np.array(picture.convert("L"))


def _notes(picture: object) -> tuple[str, ...]:
    from PIL import Image

    assert isinstance(picture, Image.Image)
    rgb = picture.mode in ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr") and coloured(np.asarray(picture.convert("RGB")))
    return ("colour",) if rgb else ()


def _not_a_picture(data: bytes, name: str) -> str:
    for start, what in _OTHERS:
        if data.lstrip()[: len(start)] == start:
            return f"{name} is no PNG or JPEG picture: it looks like {what} file. Rename or convert it."
    if not data.strip(b"\x00"):
        return f"{name} holds only zeros: its copy failed. Copy it again from its source."
    return f"{name} is no PNG or JPEG picture, although its ending says so."


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:97] + "..."
