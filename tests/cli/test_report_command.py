"""``fetalseg report``, and ``--report`` of ``fetalseg segment``, with the bundled model on the phantoms."""

from __future__ import annotations

import pytest

import report_folder as made
from fetalseg import RESEARCH, samples


def test_a_run_with_its_report_and_the_same_again(fetalseg, tmp_path):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "second.png").write_bytes((samples.folder() / "second_trimester.png").read_bytes())
    (scans / "broken.png").write_bytes(b"")
    done = fetalseg("segment", scans, "--spacing", "0.15", "--out", out, "--report")
    assert done.returncode == 1
    assert f"Report in {out / 'report.html'}" in done.stdout
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "broken.png is empty" in text
    assert 'id="large-1"' in text
    assert RESEARCH in text
    again = fetalseg("report", out)
    assert again.returncode == 0, again.stderr
    assert str(out / "report.html") in again.stdout
    assert (out / "report.html").read_text(encoding="utf-8") == text
    more = fetalseg("segment", scans, "--spacing", "0.15", "--out", out)
    assert "skipped" not in more.stdout


def test_pdf_of_all_and_of_some(fetalseg, tmp_path):
    out = made.mixed(tmp_path / "out")
    assert fetalseg("report", out, "--pdf").returncode == 0
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "report.html").exists()
    (out / "report.html").unlink()
    done = fetalseg("report", out, "--cases", "9.png", "small*")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(out / "cases.pdf"), RESEARCH]
    assert not (out / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((".",), 1, "holds no measurements.csv"),
        (("nowhere",), 1, "holds no measurements.csv"),
        (("out", "--cases", "nobody.png"), 2, "No case of these results is called nobody.png"),
    ],
)
def test_what_can_not_be_made_is_told_in_a_sentence(fetalseg, tmp_path, arguments, code, said):
    made.write(tmp_path / "out", [made.head("x.png")])
    done = fetalseg("report", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
