"""What napari sees of the plugin: manifest, settings, samples, and how quick its import is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManager, PluginManifest

import napari_fetalseg
from fetalseg import samples, tasks
from fetalseg.settings import DEVICES, SegmentSettings
from napari_fetalseg import preferences
from napari_fetalseg.workers import call

NAME = "napari-fetalseg"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    found = PluginManifest.from_distribution(NAME)
    found.validate_imports()
    return found


def test_the_installed_manifest_names_what_exists(manifest):
    assert manifest.display_name == "FetalSeg"
    assert [w.display_name for w in manifest.contributions.widgets] == ["Segment", "Measurements", "Follow-up"]
    assert list(manifest.contributions.menus) == ["napari/layers/segment"]
    assert {s.key for s in manifest.contributions.sample_data} == {
        n.split(".")[0] for n in (*samples.names(), samples.VOLUME)
    }


def test_the_file_in_the_package_is_the_one_at_the_top():
    inside = Path(napari_fetalseg.__file__).parent / "napari.yaml"
    assert yaml.safe_load(inside.read_text(encoding="utf-8"))["name"] == NAME


def test_the_settings_in_the_manifest_are_the_engines(manifest):
    for task in set(tasks.NAMES) & set(manifest.contributions.configurations):
        shown = manifest.contributions.configurations[task].properties
        defaults = SegmentSettings(task=task).to_dict()
        others = {"task", "smallest_lesion_voxels", "slice"}  # of other tasks
        assert set(shown) == set(defaults) - others
        assert shown["device"].enum == list(DEVICES)
        for name, entry in shown.items():
            assert entry.default == (defaults[name] if defaults[name] is not None else 0.0), name


def test_choices_are_kept_and_reset(tmp_path, monkeypatch):
    import napari.settings

    monkeypatch.undo()  # the shared fixture hides the settings; here they are looked at
    monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
    PluginManager.instance().discover()
    napari.settings.get_plugin_settings(path_dir=tmp_path)
    assert preferences.load("head") == SegmentSettings()
    chosen = SegmentSettings(model="unet", device="cpu", level=0.4, flips=False)
    preferences.save(chosen)
    assert preferences.load("head") == chosen
    assert "0.4" in (tmp_path / f"{NAME}.yaml").read_text()
    preferences.save(SegmentSettings())
    assert preferences.load("head") == SegmentSettings()


def test_importing_the_plugin_brings_no_torch_and_no_qt():
    code = (
        "import sys, napari_fetalseg\n"
        "heavy = {'torch', 'torchvision', 'pandas', 'skimage', 'qtpy', 'napari'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opening_the_docks_brings_no_torch(tmp_path):
    code = (
        "import sys, napari_fetalseg.segment, napari_fetalseg.measurements, napari_fetalseg.sample_layers\n"
        "assert 'torch' not in sys.modules and 'segmentation_models_pytorch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_engine_brings_no_window():
    code = (
        "import importlib, pkgutil, sys, fetalseg\n"
        "for module in pkgutil.walk_packages(fetalseg.__path__, 'fetalseg.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "windows = {'qtpy', 'PyQt6', 'PySide6', 'napari', 'magicgui', 'superqt', 'vispy'} & set(sys.modules)\n"
        "assert not windows, windows"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_menu_opens_both_docks(make_napari_viewer):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    get_app_model().commands.execute_command("napari-fetalseg.open_docks").result()
    assert {"Segment (napari-fetalseg)", "Measurements (napari-fetalseg)"} <= set(viewer.window.dock_widgets)


@pytest.mark.parametrize("file", samples.names())
def test_samples_open_in_millimetres(make_napari_viewer, file):
    viewer = make_napari_viewer()
    (layer,) = viewer.open_sample(NAME, file.split(".")[0])
    true = {row.pixel_mm for row in samples.truth() if row.filename == file}
    assert set(layer.scale[-2:].round(6)) == {round(mm, 6) for mm in true}
    assert str(layer.units[-1]) == "millimeter"


def test_a_worker_hands_back_value_or_error(qtbot, qapp):
    heard = []
    call(lambda: 7, heard.append, heard.append)
    call(lambda: 1 / 0, heard.append, heard.append)
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=5000)
    assert 7 in heard
    assert any(isinstance(value, ZeroDivisionError) for value in heard)
