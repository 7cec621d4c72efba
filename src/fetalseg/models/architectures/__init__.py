"""Network architectures, one a file. Each has `TITLE`, `DEFAULTS` and `build(parameters)`.

Those for volumes also have `reach(parameters)` and `margin(parameters)`.
"""

from __future__ import annotations

from types import ModuleType

from fetalseg.errors import ModelError

NAMES = ("unet", "unet_slices", "segnet")


def get(name: str) -> ModuleType:
    """Return an architecture's module; torch is imported only when it builds.

    Raises
    ------
    ModelError
        If there is no architecture of that name.
    """
    from importlib import import_module

    if name not in NAMES:
        raise ModelError(f"Unknown architecture '{name}'; known are {', '.join(NAMES)}.")
    return import_module(f"{__name__}.{name}")
