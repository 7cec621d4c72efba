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
    assert [w.display_name for w in manifest.contributions.widgets] == [
        "Segment",
        "Measurements",
        "Correct",
        "Review",
        "Growth",
        "Follow-up",
        "Train",
        "Batch",
    ]
    assert list(manifest.contributions.menus) == ["napari/layers/segment", "napari/layers/measure"]
    assert {s.key for s in manifest.contributions.sample_data} == {
        n.split(".")[0] for n in (*samples.names(), samples.VOLUME)
    }


def test_the_file_in_the_package_is_the_one_at_the_top():
    inside = Path(napari_fetalseg.__file__).parent / "napari.yaml"
    assert yaml.safe_load(inside.read_text(encoding="utf-8"))["name"] == NAME


@pytest.mark.parametrize("task", tasks.NAMES)
def test_the_settings_in_the_manifest_are_the_engines(manifest, task):
    section = manifest.contributions.configurations.get(task)
    choices = set(preferences.CHOICES[task])
    assert set(section.properties if section else ()) == choices
    defaults = SegmentSettings(task=task).to_dict()
    for name in choices:
        entry = section.properties[name]
        assert entry.default == (defaults[name] if defaults[name] is not None else 0.0), name
        assert name != "device" or entry.enum == list(DEVICES)


def test_every_setting_can_be_chosen_for_some_task_but_a_slice_belongs_to_its_scan():
    chosen = {name for names in preferences.CHOICES.values() for name in names}
    # A door chooses its backend by itself.
    assert chosen == set(SegmentSettings().to_dict()) - {
        "task",
        "slice",
        "backend",
    }


@pytest.fixture
def settings_file(tmp_path, monkeypatch):
    """The user's own settings, in a folder of the test's."""
    import napari.settings

    monkeypatch.undo()  # the shared fixture hides the settings; here they are looked at
    monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
    PluginManager.instance().discover()
    napari.settings.get_plugin_settings(path_dir=tmp_path)
    return tmp_path / f"{NAME}.yaml"


@pytest.mark.parametrize(
    "chosen",
    [
        SegmentSettings(model="unet", device="cpu", level=0.4, flips=False),
        SegmentSettings(task="tumour", model="segnet", level=0.4, flips=False, smallest_lesion_voxels=250),
        SegmentSettings(task="tumour", smallest_lesion_voxels=0),
    ],
)
def test_choices_are_kept_and_reset(settings_file, chosen):
    default = SegmentSettings(task=chosen.task)
    assert preferences.load(chosen.task) == default
    preferences.save(chosen)
    assert preferences.load(chosen.task) == chosen
    assert settings_file.read_text()
    assert all(preferences.load(task) == SegmentSettings(task=task) for task in tasks.NAMES if task != chosen.task)
    preferences.save(default)
    assert preferences.load(chosen.task) == default


def test_another_napari_finds_the_tumours_choices(settings_file, monkeypatch):
    import napari.settings

    chosen = SegmentSettings(task="tumour", level=0.35, smallest_lesion_voxels=7)
    preferences.save(chosen)
    monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
    napari.settings.get_plugin_settings(path_dir=settings_file.parent)
    assert preferences.load("tumour") == chosen


def test_a_slice_of_one_brain_is_not_asked_of_the_next(settings_file):
    preferences.save(SegmentSettings(task="fetal-brain", slice=12))
    assert preferences.load("fetal-brain").slice is None


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


@pytest.mark.parametrize("name", ["chart", "charts"])
def test_the_growth_docks_charts_are_kept(settings_file, name):
    assert preferences.recall("growth", name) == ""
    preferences.remember("growth", name, "/a b/ours.csv\n/c/theirs.csv")
    assert preferences.recall("growth", name) == "/a b/ours.csv\n/c/theirs.csv"
