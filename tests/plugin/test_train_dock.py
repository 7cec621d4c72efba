"""The Train dock in a napari window: a real training in a process of its own, watched, steered, killed, found again."""

from __future__ import annotations

import json
import os
import signal
import threading

import psutil
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QScrollArea
from train_windows import (
    EXAMS,
    KEPT_OUT,
    PATIENCE,
    PICTURES,
    SEED,
    SHAPE,
    install_tiny,
    make_store,
    open_train,
    plain,
    until,
)

from fetalseg.models import catalogue
from fetalseg.training.events import EVENTS
from napari_fetalseg import processes
from napari_fetalseg.train.progress import Phase


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("data") / "accepted").folder


@pytest.fixture(autouse=True)
def tiny():
    return install_tiny(catalogue.user_folder())


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Trainings of tests do not crowd the machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No process and no thread outlives a test."""
    mine = psutil.Process()
    before, threads = set(mine.children(recursive=True)), set(threading.enumerate())
    yield
    left = [p for p in mine.children(recursive=True) if p not in before and p.status() != psutil.STATUS_ZOMBIE]
    for process in left:
        process.kill()
    assert not left
    assert {t for t in threading.enumerate() if t not in threads and not t.daemon} == set()


@pytest.fixture
def dock(make_napari_viewer, qtbot, data):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1280, 720)
    made = open_train(viewer)
    made.form.data.show_folder(data)
    qtbot.waitUntil(lambda: not made.form.data.busy, timeout=PATIENCE)
    choose(made, "tiny")
    yield made
    if made.training is not None:
        processes.end(made.training.folder, at_once=True)
        qtbot.waitUntil(lambda: not processes.alive(made.training.folder), timeout=PATIENCE)
    settle(qtbot, made)
    made.close_training()


def settle(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock.live.busy and not dock.outcome.busy, timeout=PATIENCE)


def choose_start(form, name: str) -> None:
    titles = [form.start.itemText(at) for at in range(form.start.count())]
    form.start.setCurrentIndex(next(at for at, title in enumerate(titles) if name in title))


def choose(dock, name: str, epochs: int = 2) -> None:
    form = dock.form
    choose_start(form, name)
    form.kept_out.setValue(KEPT_OUT)
    form.seed.setValue(SEED)
    form.epochs.setValue(epochs)
    form.device.setCurrentText("cpu")


def begun(dock, epochs: int) -> bool:
    return dock.training is not None and len(dock.training.progress.rows) >= epochs


def test_empty_it_teaches_and_says_why_nothing_can_be_trained(make_napari_viewer, qtbot, tmp_path):
    made = open_train(make_napari_viewer())
    assert "Choose a folder of annotated scans" in plain(made.form.data.told)
    assert not made.button.isEnabled()
    assert plain(made.reason) == "Choose a data set first."
    made.form.data.show_folder(tmp_path)
    qtbot.waitUntil(lambda: not made.form.data.busy, timeout=PATIENCE)
    assert "holds nothing to train on" in plain(made.form.data.told)
    assert not made.button.isEnabled()
    made.form.data.show_folder(tmp_path / "gone")
    qtbot.waitUntil(lambda: not made.form.data.busy, timeout=PATIENCE)
    assert "is gone: choose another one" in plain(made.reason)


def test_a_data_set_is_shown_with_its_groups_states_and_split(dock, qtbot):
    told = plain(dock.form.data.told)
    assert f"Fetal head · {PICTURES} pictures of {EXAMS} exams" in told
    assert "to-do 1 · accepted 20 · rejected 1" in told
    parts = dock.form.data.data.parts(KEPT_OUT / 100, SEED)
    assert sum(groups for groups, _ in parts.values()) == EXAMS
    assert plain(dock.form.split_line) == f"{parts['train'][0]} exams train · 4 calibrate · 1 report"
    assert dock.button.isEnabled()
    dock.form.kept_out.setValue(0)
    assert "keep more out" in plain(dock.reason)
    assert not dock.button.isEnabled()
    scroll = dock.findChild(QScrollArea)
    labels = (dock.form.data.told, dock.form.start_line, dock.form.split_line)
    whole = lambda: all(label.height() >= label.heightForWidth(label.width()) for label in labels)  # noqa: E731
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width() and whole(), timeout=PATIENCE)
    titles = [dock.form.start.itemText(at) for at in range(dock.form.start.count())]
    assert titles[0] == "U-Net (default)"
    assert {"SegNet", "Tiny · tiny", "New U-Net", "New SegNet"} <= set(titles)


def test_a_model_is_trained_on_for_fewer_epochs_than_a_new_network(dock):
    form = dock.form
    form.advanced.reset.click()
    fewer = form.epochs.value()
    choose_start(form, "New SegNet")
    many = form.epochs.value()
    assert fewer < many
    choose_start(form, "tiny")
    assert form.epochs.value() == fewer
    form.epochs.setValue(3)
    choose_start(form, "New SegNet")
    assert form.epochs.value() == 3  # a person's


def test_what_is_chosen_is_the_command(dock, tiny, data, tmp_path):
    form = dock.form
    form.advanced.learning_rate.setValue(0.001)
    form.advanced.batch_size.setValue(4)
    form.advanced.patience.setValue(3)
    form.advanced.out.setText(str(tmp_path / "out"))
    given = form.choice().arguments()
    assert (given[0], given[-1]) == ("train", "--calibrate")
    named = dict(zip(given[1:-1:2], given[2:-1:2], strict=True))
    assert named == {
        "--data": str(data),
        "--task": "head",
        "--epochs": "2",
        "--kept-out": "0.4",
        "--seed": str(SEED),
        "--device": "cpu",
        "--name": form.advanced.name.text(),
        "--learning-rate": "0.001",
        "--batch-size": "4",
        "--patience": "3",
        "--out": str(tmp_path / "out"),
        "--from": str(tiny),
    }
    assert named["--name"].startswith("tiny-20")
    form.advanced.reset.click()
    assert not {"--learning-rate", "--batch-size", "--patience"} & set(form.choice().arguments())
    choose(dock, "New SegNet")
    given = form.choice().arguments()
    assert given[given.index("--arch") + 1] == "segnet"
    assert "--from" not in given


def test_two_epochs_from_the_dock_and_the_new_model_beside_the_old(dock, qtbot):
    dock.button.click()
    assert dock.button.text() == "Starting…"
    assert not dock.form.isVisible()
    until(qtbot, dock, Phase.DONE)
    training = dock.training
    assert [row["epoch"] for row in training.progress.rows] == [1, 2]
    assert (training.folder / "weights.safetensors").exists()
    assert training.folder == catalogue.user_folder() / "trainings" / training.given("--name")
    assert "Trained for 2 epochs." in plain(dock.ended)
    assert dock.outcome.bar.isVisible()
    assert not dock.outcome.use_button.isVisible()
    settle(qtbot, dock)
    assert dock.live.curves.pixels[..., 3].any(), "curves are drawn"
    assert [p.isVisible() for p in dock.live.cases.pictures] == [True] * 4
    first = dock.live.cases.pictures[0].pixmap
    assert first.height() == first.width() * SHAPE[0] // (2 * SHAPE[1] + 1), "scan beside scan, without the small print"
    dice = training.progress.cases["dice"]
    assert dice == sorted(dice), "the worst first"
    assert plain(dock.live.cases.words[0]) == f"Dice {100 * dice[0]:.1f} %"
    assert "CPU · tiny" in plain(dock.status)
    assert "5 exams train, 5 exams kept out" in plain(dock.status)
    assert f"seed {SEED}" in plain(dock.status)
    qtbot.waitUntil(lambda: not processes.alive(training.folder), timeout=PATIENCE)

    assert dock.outcome.error.sentence() == ""
    found = dock.outcome.comparison
    assert (found.old, found.groups, found.better) == ("unet", 5, False)
    assert "5 kept-out exams)" in plain(dock.outcome.figures)
    assert not dock.outcome.use_button.isEnabled()
    assert json.loads((training.folder / "comparison.json").read_text())["new_sha256"] == found.new_sha256


def test_pause_go_on_and_stop_keep_the_best(dock, qtbot):
    choose(dock, "tiny", epochs=500)
    dock.button.click()
    qtbot.waitUntil(lambda: begun(dock, 1), timeout=PATIENCE)
    assert dock.button.text() == "Stop, keep the best"
    dock.pause_button.click()
    assert dock.pause_button.text() == "Go on"
    qtbot.waitUntil(lambda: any("Paused" in note for note in dock.training.progress.notes), timeout=PATIENCE)
    assert plain(dock.live.told).startswith("paused")
    there = len(dock.training.progress.rows)
    qtbot.wait(1500)
    assert len(dock.training.progress.rows) == there
    dock.pause_button.click()
    qtbot.waitUntil(lambda: begun(dock, there + 1), timeout=PATIENCE)
    dock.button.click()
    assert dock.button.text().startswith("Stopping…")
    until(qtbot, dock, Phase.DONE)
    assert dock.training.progress.reason == "stopped"
    assert "of 500 epochs." in plain(dock.ended)
    card = json.loads((dock.training.folder / "card.json").read_text())
    assert card["training"]["weights_of_epoch"] == dock.training.progress.best


def test_killed_it_says_so_and_goes_on(dock, qtbot):
    choose(dock, "tiny", epochs=40)
    dock.button.click()
    qtbot.waitUntil(lambda: begun(dock, 1), timeout=PATIENCE)
    folder = dock.training.folder
    os.kill(processes.started(folder).pid, signal.SIGKILL)
    until(qtbot, dock, Phase.DIED)
    behind = len(dock.training.progress.rows)
    assert f"ended in epoch {behind + 1} of 40 without saying why" in plain(dock.ended)
    assert dock.button.text() == "Go on"
    dock.button.click()
    qtbot.waitUntil(lambda: begun(dock, behind + 1), timeout=PATIENCE)
    assert [row["epoch"] for row in dock.training.progress.rows[: behind + 1]] == list(range(1, behind + 2))
    starts = [line for line in (folder / EVENTS).read_text().splitlines() if '"event": "start"' in line]
    assert len(starts) == 2
    dock.button.click()
    until(qtbot, dock, Phase.DONE)


def test_data_that_is_gone_is_a_sentence(dock, qtbot, data, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    dock.form.data.show_folder(copy)
    qtbot.waitUntil(lambda: not dock.form.data.busy, timeout=PATIENCE)
    choose(dock, "tiny")
    shutil.rmtree(copy)
    dock.button.click()
    until(qtbot, dock, Phase.FAILED, Phase.DIED)
    assert dock.training.phase is Phase.FAILED
    assert str(copy) in plain(dock.ended)
    dock.again_button.click()
    assert dock.form.isVisible()


def _answer(words: str, asked: list[str]) -> None:
    """Press a button of the question that is asked next."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        asked.append(box.text())
        next(b for b in box.buttons() if b.text().replace("&", "") == words).click()

    QTimer.singleShot(50, press)


def _close(viewer) -> bool:
    """Close a window as a person does; the fixture that made the viewer has nothing left to close then."""
    closed = viewer.window._qt_window.close()
    del viewer.window._qt_window
    return closed


def test_closing_napari_asks_and_the_next_one_finds_the_training(make_napari_viewer, qtbot, data, monkeypatch):
    kept: dict[tuple[str, str], str] = {}
    monkeypatch.setattr("napari_fetalseg.preferences.recall", lambda section, name: kept.get((section, name), ""))
    monkeypatch.setattr(
        "napari_fetalseg.preferences.remember", lambda section, name, value: kept.update({(section, name): value})
    )
    viewer = make_napari_viewer(show=True)
    first = open_train(viewer)
    first.form.data.show_folder(data)
    qtbot.waitUntil(lambda: not first.form.data.busy, timeout=PATIENCE)
    choose(first, "tiny", epochs=500)
    first.button.click()
    qtbot.waitUntil(lambda: begun(first, 1), timeout=PATIENCE)
    folder, window, asked = first.training.folder, viewer.window._qt_window, []
    _answer("Stay", asked)
    assert not window.close()
    assert window.isVisible()
    assert "is still running" in asked[0]
    _answer("Keep training", asked)
    assert _close(viewer)
    assert len(asked) == 2
    assert processes.alive(folder), "it goes on without napari"

    other = make_napari_viewer(show=True)
    second = open_train(other)
    assert second.training.folder == folder
    qtbot.waitUntil(lambda: second.training.phase is Phase.RUNNING and begun(second, 2), timeout=PATIENCE)
    assert second.form.data.path.text() == str(data)
    _answer("Stop, keep the best", asked)
    assert _close(other)
    assert len(asked) == 3
    qtbot.waitUntil(lambda: not processes.alive(folder), timeout=PATIENCE)
    assert json.loads((folder / EVENTS).read_text().splitlines()[-1]) == {"event": "end", "reason": "stopped"}
