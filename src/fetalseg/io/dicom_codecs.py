"""What pydicom's own decoders leave out: lossless JPEG, JPEG-LS and 12-bit JPEG, decoded by imagecodecs."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.pixels import get_decoder

_registering = threading.Lock()
_LABEL = "imagecodecs"
_CODECS = {
    uid.JPEGExtended12Bit: "jpeg8_decode",
    uid.JPEGLossless: "ljpeg_decode",
    uid.JPEGLosslessSV1: "ljpeg_decode",
    uid.JPEGLSLossless: "jpegls_decode",
    uid.JPEGLSNearLossless: "jpegls_decode",
    uid.HTJ2KLossless: "htj2k_decode",
}
DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("imagecodecs",))


def register() -> None:
    """Make pydicom know these decoders; once is enough, more does no harm."""
    with _registering:
        for syntax in _CODECS:
            decoder = get_decoder(syntax)
            known = any(text.startswith(_LABEL) for text in decoder.missing_dependencies)
            if not known and _LABEL not in decoder.available_plugins:
                decoder.add_plugin(_LABEL, (__name__, "decode_frame"))


def is_available(syntax: str) -> bool:
    """Whether this computer's imagecodecs decodes a transfer syntax; pydicom asks."""
    import imagecodecs

    name = _CODECS.get(uid.UID(syntax), "")
    return bool(name) and getattr(imagecodecs, name.removesuffix("_decode").upper()).available


def decode_frame(source: bytes, runner: Any) -> bytes:
    """Return a frame's pixels as bytes in the layout that pydicom's runner asks for."""
    import imagecodecs

    array: Any = np.asarray(getattr(imagecodecs, _CODECS[runner.transfer_syntax])(source))
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    width = 8 if array.dtype.itemsize == 1 else 16
    runner.set_option("bits_allocated", width)
    return np.ascontiguousarray(array, f"<u{width // 8}").tobytes()
