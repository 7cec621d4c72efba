"""What an installed wheel holds, and what may import what."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel, built from this checkout and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")

    def python(*arguments):
        subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, capture_output=True)

    python("build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    python("pip", "install", "--no-deps", "--no-index", "--target", folder / "site", *folder.glob("*.whl"))
    return folder


def test_the_wheel_holds_manifest_weights_and_samples_once(installed):
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    for name in (
        "napari_fetalseg/napari.yaml",
        "fetalseg/models/bundled/unet/weights.safetensors",
        "fetalseg/models/bundled/unet/card.json",
        "fetalseg/sample_data/truth.csv",
        "fetalseg/sample_data/cine_loop.tif",
    ):
        assert name in names
    assert wheel.stat().st_size < 45e6


def test_napari_finds_the_plugin_of_the_wheel(installed):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from npe2 import PluginManager\n"
        "from pathlib import Path\n"
        "manager = PluginManager(); manager.discover([sys.argv[1]])\n"
        "manifest = manager.get_manifest('napari-fetalseg')\n"
        "import napari_fetalseg; assert Path(napari_fetalseg.__file__).is_relative_to(sys.argv[1])\n"
        "assert manifest.display_name == 'FetalSeg'\n"
        "print(sorted(w.display_name for w in manifest.contributions.widgets))\n"
        "for command in manifest.contributions.commands:\n"
        "    from importlib import import_module\n"
        "    module, name = command.python_name.split(':'); assert callable(getattr(import_module(module), name))\n"
        "from fetalseg import samples\n"
        "assert Path(samples.folder()).is_relative_to(sys.argv[1]) and samples.truth()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed / "site")],
        capture_output=True,
        text=True,
        cwd=installed,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Segment" in done.stdout
    assert "Measurements" in done.stdout


def test_the_engine_never_imports_the_gui():
    """Every module of the engine, imported where Qt, napari and magicgui can't be."""
    code = (
        "import sys, pkgutil, importlib\n"
        "blocked = {'napari', 'qtpy', 'PyQt6', 'PySide6', 'PyQt5', 'magicgui', 'superqt', 'napari_fetalseg'}\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in blocked: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import fetalseg\n"
        "for m in pkgutil.walk_packages(fetalseg.__path__, 'fetalseg.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "assert not blocked & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    for path in (ROOT / "src" / "fetalseg").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]) and len(words) > 1:
                assert words[1].split(".")[0] not in {"napari", "qtpy", "magicgui", "superqt", "napari_fetalseg"}, path


def test_importing_the_plugin_loads_neither_torch_nor_the_engines_heavy_parts():
    code = (
        "import sys, napari_fetalseg\n"
        "heavy = {'torch', 'torchvision', 'segmentation_models_pytorch', 'skimage', 'scipy', 'pandas', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
