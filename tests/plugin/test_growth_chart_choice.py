"""Which chart and which measure the Growth dock shows, and that it knows the chart again in the next session."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from fetalseg.growth import charts, curves
from fetalseg.growth.pregnancy import Pregnancy, write
from napari_fetalseg.actions import open_growth
from standins import SHAPE, TRUTH, disc


@pytest.fixture
def kept(monkeypatch):
    """What is remembered, in place of napari's settings."""
    found: dict[tuple[str, str], str] = {}
    monkeypatch.setattr("napari_fetalseg.preferences.recall", lambda section, name: found.get((section, name), ""))
    monkeypatch.setattr(
        "napari_fetalseg.preferences.remember", lambda section, name, value: found.update({(section, name): value})
    )
    return found


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "ours.csv"
    path.write_text("ga,mean,sd\n14,97,5\n20,171,6\n30,280,9\n")
    return path


def settle(window, dock) -> None:
    idle = lambda: not dock.view.picture.busy and not dock._jobs.busy  # noqa: E731
    window.qtbot.waitUntil(idle, timeout=60_000)


@pytest.fixture
def begin(window, kept):
    """Open the dock as another session does: what was typed is gone, what was remembered is there."""
    opened = []

    def call():
        while opened:
            settle(window, opened[0])
            window.viewer.window.remove_dock_widget(opened.pop(0))
        window.session.pregnancies.__init__()
        opened.append(open_growth(window.viewer))
        settle(window, opened[-1])
        return opened[-1]

    yield call
    for dock in opened:
        settle(window, dock)


def head(window, dock) -> None:
    told = {"metadata": {"fetalseg": {"study_date": "2024-05-23"}}}
    layer = window.add(disc(TRUTH, SHAPE), scale=(0.46, 0.46), units="mm", **told)
    window.viewer.layers.selection.active = layer
    window.run()
    QTest.keyClicks(dock.form.date, "2024-01-01")
    QTest.keyClick(dock.form.date, Qt.Key.Key_Return)


def test_the_chosen_chart_is_there_again(window, begin, kept):
    dock = begin()
    assert dock.view.chart.name == "intergrowth21"
    dock.view.tabs.setCurrentIndex(2)
    again = begin()
    assert again.view.chart.name == "who2017"
    head(window, again)
    assert again.found.chart == "who2017"
    again.exams.new_button.click()
    assert again.case.pregnancy.chart == "who2017", "another pregnancy begins with it too"


def test_the_chosen_crl_formula_is_there_again(window, begin, kept):
    dock = begin()
    dock.form.way.setCurrentIndex(dock.form.way.findData("crl"))
    assert dock.form.formula.currentData() == "robinson1975"
    dock.form.formula.setCurrentIndex(1)
    dock.form.formula.activated.emit(1)
    assert kept == {("growth", "crl_formula"): "intergrowth2014"}
    again = begin()
    again.form.way.setCurrentIndex(again.form.way.findData("crl"))
    assert again.form.formula.currentData() == "intergrowth2014"
    kept["growth", "crl_formula"] = "of another version"
    third = begin()
    third.form.way.setCurrentIndex(third.form.way.findData("crl"))
    assert third.form.formula.currentData() == "robinson1975"


def test_a_chart_of_ones_own_is_there_again(window, begin, kept, own):
    dock = begin()
    dock.add_chart(own)
    settle(window, dock)
    assert dock.view.chart.title == "ours"
    again = begin()
    assert again.view.tabs.tabText(3) == "ours\n14w to 30w"
    assert again.view.chart.title == "ours"
    again.view.tabs.setCurrentIndex(0)
    third = begin()
    assert third.view.tabs.count() == 4, "it is offered, also where another one was chosen last"
    assert third.view.chart.name == "intergrowth21"
    own.unlink()
    last = begin()
    assert last.view.tabs.count() == 3
    assert "can't be read" in last.error.sentence()
    assert "add it again where it is now" in last.error.sentence()
    assert kept["growth", "charts"] == ""


def test_a_pregnancys_chart_is_shown_and_is_no_choice_of_the_persons(window, begin, kept, own, tmp_path):
    path = write(tmp_path / "p.json", Pregnancy(chart=str(own.resolve())))
    dock = begin()
    dock.exams.open_file(path)
    settle(window, dock)
    settle(window, dock)
    assert dock.view.chart.title == "ours"
    assert dock.case.pregnancy.chart == str(own.resolve())
    assert not dock.case.unsaved
    assert kept == {}
    own.unlink()
    dock = begin()
    dock.exams.open_file(path)
    settle(window, dock)
    settle(window, dock)
    assert "The pregnancy is shown on INTERGROWTH-21st." in dock.error.sentence()
    assert dock.case.pregnancy.chart == "intergrowth21"


def test_diameters_have_pictures_of_their_own_where_the_chart_has_them(window, begin, monkeypatch):
    drawn = []
    render = curves.render
    monkeypatch.setattr(curves, "render", lambda *a, **k: drawn.append(k["measure"]) or render(*a, **k))
    dock = begin()
    head(window, dock)
    settle(window, dock)
    switch = dock.view.switch
    offered = lambda: [switch.tabText(at) for at in range(switch.count()) if switch.isTabVisible(at)]  # noqa: E731
    assert offered() == ["HC", "BPD", "OFD"]
    pictures = {}
    for at in (1, 2):
        switch.setCurrentIndex(at)
        settle(window, dock)
        pictures[switch.tabText(at)] = dock.view.picture.pixels
    assert drawn[-2:] == ["bpd", "ofd"]
    assert not np.array_equal(pictures["BPD"], pictures["OFD"])
    dock.view.tabs.setCurrentIndex(1)
    settle(window, dock)
    assert offered() == ["HC", "BPD"]
    assert switch.tabText(switch.currentIndex()) == "HC"
    assert drawn[-1] == "hc", "Hadlock's chart has no OFD here"
    dock.view.tabs.setCurrentIndex(2)
    assert switch.isHidden(), "WHO's has HC alone"
    dock.view.tabs.setCurrentIndex(0)
    settle(window, dock)
    assert switch.tabText(switch.currentIndex()) == "OFD"
    assert drawn[-1] == "ofd", "what was chosen holds where it can"


def test_the_exported_picture_is_of_the_chosen_measure(window, begin, tmp_path):
    dock = begin()
    head(window, dock)
    dock.view.switch.setCurrentIndex(1)
    dock.export(tmp_path / "bpd.svg")
    settle(window, dock)
    bpd = next(r for r in dock.found.readings if r.measure == "bpd")
    text = (tmp_path / "bpd.svg").read_text(encoding="utf-8")
    assert "Biparietal diameter by gestational age" in text
    assert f"BPD {bpd.value_mm:.1f} mm at 20w 3d: {bpd.centile_text} centile (INTERGROWTH-21st), z" in text


def test_what_is_remembered_of_a_pregnancy_keeps_no_image_alive(window, begin):
    dock = begin()
    head(window, dock)
    cases = window.session.pregnancies
    assert all(not isinstance(part, weakref.ref) for part in cases._told)
    assert cases.chart("intergrowth21") is charts.get("intergrowth21")
