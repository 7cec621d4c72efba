"""Importing torch, also into a process that draws with OpenGL."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

_NAMES = ("torch", "torchvision", "segmentation_models_pytorch")
_once = threading.Lock()


def import_torch() -> None:
    """Import torch and what the models need of it, without triton.

    torch for Linux brings triton, a compiler for GPUs with an LLVM of its own. In a process in which Mesa has
    loaded its LLVM to draw (software rendering, AMD), importing triton ends the process with a segmentation
    fault. The models do not need it; torch does without where it can't be imported.
    """
    with _once:
        hide = sys.platform == "linux" and "triton" not in sys.modules
        if hide:
            sys.modules["triton"] = None  # type: ignore[assignment]
        try:
            for name in _NAMES:
                import_module(name)
        finally:
            if hide:
                sys.modules.pop("triton", None)
