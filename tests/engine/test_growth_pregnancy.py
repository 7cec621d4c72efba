"""The exams of a pregnancy: their means, their file, and growth between them."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import numpy as np
import pytest

from fetalseg.errors import DatingError, GrowthError, UnreadableError
from fetalseg.growth import charts
from fetalseg.growth.dating import Dating
from fetalseg.growth.pregnancy import Exam, Frame, Pregnancy, exam_of, read, result_hash, write
from fetalseg.growth.velocity import velocities
from fetalseg.result import Ellipse, Measurement, Provenance, Result, Segmentation, State

LMP = datetime.date(2024, 1, 1)
SCAN = datetime.date(2024, 5, 20)


def result(hc, confidence=0.9, *, frame=0, half=3.0, date="2024-05-20", edited=False, state=State.ACCEPT, sha="a" * 64):
    measurement = Measurement(
        values={"hc_mm": hc, "bpd_mm": None if hc is None else hc * 0.27, "ofd_mm": None if hc is None else hc * 0.36},
        intervals={} if half is None or hc is None else {"hc_mm": (hc - half, hc + half)},
        ellipse=Ellipse(100.0, 80.0, 60.0, 45.0, 10.0),
        confidence=None if edited else confidence,
        state=state,
    )
    return Result(
        scan_name="loop.dcm",
        scan_sha256=sha,
        frame=frame,
        task="head",
        segmentation=Segmentation(np.zeros((4, 4), np.uint8)),
        measurement=measurement,
        spacing=None,
        provenance=Provenance("standin", "0" * 64, "cpu", "none", {}, "0"),
        origin="ellipse" if edited else "model",
        study_date=date,
    )


def loop(*sizes, **values):
    return [result(hc, trust, frame=k, **values) for k, (hc, trust) in enumerate(sizes)]


def exam(days, hc, half=None, machine="E8", **values):
    date = None if days is None else LMP + datetime.timedelta(days=days)
    return Exam(date, hc, None if half is None else (hc - half, hc + half), machine=machine, **values)


def pregnancy(*exams, dating=Dating.from_lmp(LMP), chart="intergrowth21"):  # noqa: B008
    return Pregnancy(dating, exams, chart)


def test_an_exam_is_the_mean_of_the_best_three_frames():
    found = exam_of(loop((180, 0.5), (184, 0.9), (182, 0.95), (183, 0.7), (190, 0.3)), SCAN)
    assert found.hc_mm == pytest.approx((184 + 182 + 183) / 3)
    assert found.bpd_mm == pytest.approx(0.27 * found.hc_mm)
    assert found.ofd_mm == pytest.approx(0.36 * found.hc_mm)
    assert found.spread_mm == pytest.approx(2)
    assert [frame.used for frame in found.frames] == [False, True, True, True, False]
    # 190 lies 3.8 % from the median of 183.
    assert [frame.outlier for frame in found.frames] == [False, False, False, False, True]
    assert found.scan_date == SCAN
    assert not found.edited


def test_an_outlier_is_marked_and_not_used():
    found = exam_of(loop((180, 0.8), (181, 0.7), (200, 0.99)))
    assert [(frame.used, frame.outlier) for frame in found.frames] == [(True, False), (True, False), (False, True)]
    assert found.hc_mm == pytest.approx(180.5)


def test_within_three_percent_is_no_outlier():
    found = exam_of(loop((180, 0.8), (180, 0.7), (185.3, 0.99)))
    assert not any(frame.outlier for frame in found.frames)
    assert found.hc_mm == pytest.approx((180 + 180 + 185.3) / 3)
    assert [f.outlier for f in exam_of(loop((180, 0.8), (180, 0.7), (185.5, 0.99))).frames] == [False, False, True]


def test_of_two_frames_none_is_the_outlier():
    found = exam_of(loop((180, 0.8), (200, 0.7)))
    assert not any(frame.outlier for frame in found.frames)
    assert (found.hc_mm, found.spread_mm) == (190, 20)


def test_where_all_differ_all_are_marked_and_the_best_are_used():
    found = exam_of(loop((150, 0.8), (180, 0.7), (210, 0.9)))
    assert [frame.outlier for frame in found.frames] == [True, False, True]
    assert all(frame.used for frame in found.frames)


def test_averaging_does_not_narrow_the_interval():
    frames = [result(180, half=3, frame=0), result(183, half=4, frame=1), result(186, half=5, frame=2)]
    found = exam_of(frames, SCAN)
    assert found.hc_interval_mm == pytest.approx((183 - 4, 183 + 4))
    assert exam_of([*frames[:2], result(186, half=None, frame=2)], SCAN).hc_interval_mm is None


def test_one_frame_has_no_spread():
    found = exam_of([result(180)], SCAN)
    assert found.spread_mm is None
    assert found.hc_interval_mm == (177, 183)


def test_what_a_person_edited_is_trusted_most():
    found = exam_of([*loop((180, 0.99), (181, 0.98), (182, 0.97)), result(184, edited=True, frame=3)], SCAN)
    assert [frame.used for frame in found.frames] == [True, True, False, True]
    assert found.edited


def test_refused_and_unscaled_frames_are_left_out():
    good = result(180)
    found = exam_of([good, result(None, frame=1), result(300, frame=2, state=State.REFUSE)], SCAN)
    assert [frame.result for frame in found.frames] == [result_hash(good)]
    with pytest.raises(GrowthError, match="pixel size"):
        exam_of([result(None)], SCAN)
    with pytest.raises(GrowthError, match=r"is refused, so it has no place on a growth chart\..*Mend its outline"):
        exam_of([result(None), result(170, state=State.REFUSE)], SCAN)
    with pytest.raises(GrowthError):
        exam_of([])


def test_the_machine_is_the_scans_own_unless_it_is_given():
    one = replace(result(180), machine="GE Voluson E8")
    assert exam_of([one]).machine == "GE Voluson E8"
    assert exam_of([one], machine="E10").machine == "E10"
    assert exam_of([one], machine="").machine is None
    assert exam_of([one, replace(result(181, frame=1), machine="Philips EPIQ")]).machine is None


def test_the_scans_own_date_is_taken_and_days_do_not_mix():
    assert exam_of([result(180), result(181, frame=1)]).scan_date == SCAN
    assert exam_of([result(180, date=None)]).scan_date is None
    with pytest.raises(GrowthError, match="2024-05-20, 2024-06-20"):
        exam_of([result(180), result(181, frame=1, date="2024-06-20")])


def test_a_results_hash_is_its_content():
    one = result(180)
    assert result_hash(one) == result_hash(result(180))
    assert one.id != result(180).id
    others = [result(180.1), result(180, frame=1), result(180, sha="b" * 64), result(180, edited=True)]
    assert len({result_hash(r) for r in [one, *others]}) == 5


def test_exams_are_kept_by_date():
    made = pregnancy(exam(200, 265)).with_exam(exam(None, 300)).with_exam(exam(140, 172))
    assert [e.hc_mm for e in made.exams] == [172, 265, 300]
    assert [e.hc_mm for e in made.without(1).exams] == [172, 300]
    assert [e.hc_mm for e in made.exams] == [172, 265, 300]


def test_a_result_counts_once():
    made = pregnancy().with_exam(exam_of([result(180)]))
    with pytest.raises(GrowthError, match="already"):
        made.with_exam(exam_of([result(180), result(181, frame=1)]))
    assert len(made.with_exam(exam_of([result(200, frame=9)], SCAN + datetime.timedelta(days=20))).exams) == 2


def test_an_impossible_exam_is_not_taken():
    with pytest.raises(DatingError, match="before the pregnancy"):
        pregnancy().with_exam(exam(-3, 175))
    with pytest.raises(DatingError, match="future"):
        Exam(datetime.date.today() + datetime.timedelta(days=1), 175)
    with pytest.raises(GrowthError, match="in cm"):
        Exam(SCAN, 17.5)
    with pytest.raises(GrowthError, match="one scan only"):
        pregnancy(exam(140, 172), dating=Dating.from_ga(140)).with_exam(exam(170, 210))


def test_a_file_gives_back_what_was_written(tmp_path):
    path = tmp_path / "folder" / "p.json"
    made = pregnancy(exam(140, 172, 4, bpd_mm=48.0, ofd_mm=60.0, spread_mm=1.5), exam(None, 265, machine=None))
    made = made.with_exam(exam_of(loop((180, 0.5), (184, 0.9)), LMP + datetime.timedelta(days=142)))
    write(path, made)
    assert read(path) == made
    assert read(path).exams[1].frames == made.exams[1].frames != ()
    write(path, replace(made, dating=None))
    assert read(path).dating is None
    assert [p.name for p in path.parent.iterdir()] == ["p.json"]


def test_a_file_holds_no_name_and_no_z(tmp_path):
    made = pregnancy(exam_of([result(150)]))
    text = write(tmp_path / "p.json", made).read_text(encoding="utf-8")
    assert made.assess(made.exams[0]).hc.z < -2
    assert "loop.dcm" not in text
    assert "z_" not in text
    assert "centile" not in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v.pop("format"), "no pregnancy file"),
        (lambda v: v.update(version=2), "version 2"),
        (lambda v: v.pop("exams"), "damaged"),
        (lambda v: v["exams"][0].update(hc_mm=17.5), "in cm"),
        (lambda v: v["exams"][0].update(hc_mm="big"), "damaged"),
        (lambda v: v["exams"][0].update(colour="red"), "damaged"),
        (lambda v: v["exams"][0].update(hc_interval_mm=[1]), "damaged"),
        (lambda v: v["exams"][0].update(scan_date="soon"), "no date"),
        (lambda v: v["dating"].update(source="moon"), "Unknown source"),
        (lambda v: v.update(dating=3), "damaged"),
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path, change, told):
    path = write(tmp_path / "p.json", pregnancy(exam(140, 172)))
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(UnreadableError) as caught:
        read(path)
    assert told in str(caught.value)
    assert "p.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_what_is_no_file_of_a_pregnancy(tmp_path, text):
    (tmp_path / "p.json").write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableError, match="no pregnancy file"):
        read(tmp_path / "p.json")
    with pytest.raises(UnreadableError, match="can't be read"):
        read(tmp_path / "none.json")


def test_all_exams_are_read_on_one_chart():
    made = pregnancy(exam(140, 172), exam(170, 210), exam(200, 245))
    for name in charts.NAMES:
        on = replace(made, chart=name)
        assert {on.assess(e).chart for e in on.exams} == {name}


def test_a_head_on_the_median_grows_as_the_median():
    chart = charts.get("intergrowth21")
    made = pregnancy(*(exam(day, chart.value_mm("hc", day, 50)) for day in (98, 140, 196, 224, 252)))
    found = velocities(made)
    assert [v.days for v in found] == [42, 56, 28, 28]
    for v in found:
        assert v.mm_per_week == pytest.approx(v.median_mm_per_week)
        assert (v.warning, v.reason) == (None, None)


@pytest.mark.parametrize(("week", "gain"), [(14, 12.5), (20, 12.0), (28, 9.3), (32, 7.2), (36, 4.7), (39, 2.6)])
def test_median_gain_of_intergrowth(week, gain):
    chart = charts.get("intergrowth21")
    # The published figures are of a week that begins at this age.
    one, other = (chart.value_mm("hc", 7 * w, 50) for w in (week, week + 1))
    assert other - one == pytest.approx(gain, abs=0.3)


@pytest.mark.parametrize(("days", "told"), [(0, False), (13, False), (14, True), (21, True), (22, True), (70, True)])
def test_how_far_scans_must_lie_apart(days, told):
    (found,) = velocities(pregnancy(exam(150, 185, 2), exam(150 + days, 185 + 1.7 * days, 2)))
    assert found.days == days
    assert (found.mm_per_week is not None) == told
    assert (found.median_mm_per_week is not None) == told
    if told:
        assert found.mm_per_week == pytest.approx(1.7 * 7)
        assert found.reason is None
        assert (found.warning is not None) == (days <= 21)
        assert days > 21 or f"only {days} days" in found.warning
    else:
        assert "under 14" in found.reason


def test_no_growth_across_machines():
    (found,) = velocities(pregnancy(exam(140, 172, machine="E8"), exam(182, 230, machine="730")))
    assert found.mm_per_week is None
    assert "different machines (E8, 730)" in found.reason
    (same,) = velocities(pregnancy(exam(140, 172, machine="E8"), exam(182, 230, machine="e8")))
    assert (same.warning, same.reason) == (None, None)
    (unknown,) = velocities(pregnancy(exam(140, 172, machine=None), exam(182, 230)))
    assert unknown.mm_per_week is not None
    assert "one machine" in unknown.warning


def test_no_growth_without_a_date():
    (found,) = velocities(pregnancy(exam(140, 172), exam(None, 230)))
    assert (found.days, found.mm_per_week) == (None, None)
    assert "date of a scan is not known" in found.reason
    assert velocities(pregnancy(exam(140, 172))) == ()
    assert velocities(pregnancy()) == ()


@pytest.mark.parametrize("dating", [None, Dating("this_hc", 140, SCAN)])
def test_without_an_age_there_is_a_rate_but_no_median(dating):
    (found,) = velocities(pregnancy(exam(140, 172), exam(182, 232), dating=dating))
    assert found.mm_per_week == pytest.approx(10)
    assert found.median_mm_per_week is None


def test_no_median_outside_the_chart():
    (found,) = velocities(pregnancy(exam(80, 80), exam(122, 146)))
    assert found.mm_per_week == pytest.approx(11)
    assert found.median_mm_per_week is None


def test_measuring_errors_add_up_as_squares():
    (found,) = velocities(pregnancy(exam(140, 172, 3), exam(168, 216, 4)))
    assert found.interval_mm_per_week == pytest.approx((11 - 5 / 4, 11 + 5 / 4))
    (still,) = velocities(pregnancy(exam(210, 270, 8), exam(238, 272, 8)))
    assert "within the measuring error" in still.warning
    (smaller,) = velocities(pregnancy(exam(210, 280), exam(238, 270)))
    assert "smaller than before" in smaller.warning


def test_frames_survive_as_values():
    frame = Frame(180.0, 48.0, 62.0, "f" * 64, True, False)
    made = Exam(SCAN, 180.0, frames=(frame,))
    assert Exam.from_dict(json.loads(json.dumps(made.to_dict()))) == made
