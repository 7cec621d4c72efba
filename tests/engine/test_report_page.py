"""The report of a run: what it reads from a folder, its page, its PDF, and the page at work in a browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import report_folder as made
from fetalseg import RESEARCH
from fetalseg.errors import SettingsError, UnreadableError
from fetalseg.report import case_pdf, montage, page
from fetalseg.report.page import cells, pictures, plots
from fetalseg.report.page.folder import read
from fetalseg.result import Measurement, State

EVIL = made.EVIL.replace("/", "_")
WORST_FIRST = [
    "broken.png", "b & c/none.png", "a/9.png", "pixels.png",
    "small.png", "loop.tif", EVIL, "a/10.png", "dated.png",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made.mixed(tmp_path_factory.mktemp("run") / "out")


@pytest.fixture(scope="module")
def html(folder):
    return page.write(folder).path.read_text(encoding="utf-8")


def named(found, name):
    return next(case for case in found.cases if case.name == name)


# What is read


def test_cases_that_ask_for_a_look_come_first(folder):
    found = read(folder)
    assert [case.name for case in found.cases] == WORST_FIRST
    assert found.counts == {"failed": 1, "refuse": 1, "check": 2, "accept": 5}
    assert found.errors == (("broken.png", "broken.png is damaged or cut short. Copy it again from its source."),)


def test_of_a_loop_the_most_trusted_frame_stands_for_all(folder):
    loop = named(read(folder), "loop.tif")
    assert (loop.row["frame"], loop.state, len(loop.parts)) == ("2", "accept", 4)
    assert cells.frame(loop) == "frame 3 of 4"
    assert cells.of_frames(loop) == "2 ✓ accept, 1 ! check, 1 ✕ refuse"


def test_a_table_names_no_file_outside_its_folder(tmp_path):
    out = made.write(tmp_path / "out", [made.head("x.png"), made.head("../secret.png")], pictures=False)
    (out / "overlays").mkdir()
    shutil.copy(out / "measurements.csv", out / "secret.png")
    assert [case.picture for case in read(out).cases] == [None, None]


def test_outputs_are_found_by_the_names_that_the_run_gave(tmp_path):
    out = made.write(tmp_path / "out", [made.head("x.png")], record={"inputs": [{"name": "x.png", "stem": "x~2"}]})
    (out / "overlays" / "x.png").rename(out / "overlays" / "x~2.png")
    assert read(out).cases[0].picture == out / "overlays" / "x~2.png"


def test_a_folder_without_results_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UnreadableError, match="holds no measurements"):
        read(tmp_path)
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(UnreadableError, match="broken off"):
        read(tmp_path)
    (tmp_path / "measurements.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UnreadableError, match="no table of"):
        read(tmp_path)


@pytest.mark.parametrize("content", ["", "[1]", '{"inputs": 3, "model": "x", "growth": 7, "settings": null}'])
def test_numbers_are_shown_without_a_record_too(tmp_path, content):
    out = made.write(tmp_path / "out", [made.head("x.png")])
    (out / "run.json").write_text(content)
    text = page.write(out).path.read_text(encoding="utf-8")
    assert "200.0 ± 3.0 mm" in text
    assert ("is missing or damaged" in text) == (not content.startswith("{"))


def test_a_stopped_run_says_so(tmp_path):
    record = {"finished": False, "counts": {"files": 40, "done": 1}}
    out = made.write(tmp_path / "out", [made.head("x.png")], record=record)
    assert "stopped after 1 of 40 files" in page.write(out).path.read_text(encoding="utf-8")


# What is shown


def test_numbers_have_unit_and_interval():
    row = made.head("x.png", 174.2)
    assert cells.quantity(row, "hc").text == "174.2 ± 3.0 mm"
    assert cells.quantity(row, "bpd").text == "48.8 mm"
    assert cells.quantity(row | {"hc_mm": "", "hc_px": "900.5"}, "hc") == cells.Cell("900.5 px", 900.5, 1, "900.5 px")
    assert cells.quantity(row | {"hc_mm": ""}, "hc").text == "—"
    all_lesions, lesion = made.tumour("t.nii", 12.5)
    assert cells.quantity(all_lesions, "volume").text == "12.5 ml (8.8 to 16.2)"
    assert cells.quantity(all_lesions | {"volume_ml": "", "volume_voxels": "12567"}, "volume").text == "12567 voxels"
    assert cells.diameters(lesion).text == "40.2 × 30.0 mm"


def test_growth_is_told_as_the_table_has_it():
    row = made.dated("x.png", 180.0, 145, -2.1)
    told = cells.growth_sentence(row, "INTERGROWTH-21st")
    assert told == "HC: 60th centile (INTERGROWTH-21st), z −2.10 (−2.50 to −1.70), at 20w 5d by crown-rump length."
    assert (
        cells.growth_sentence(made.head("x.png", growth_reason="The age is not known."), "") == "The age is not known."
    )


def test_bins_hold_every_value_once():
    values = [(v, "accept") for v in (0.0, 1.0, 1.999, 2.0, 10.0)] + [(5.0, "refuse")]
    plot = plots.histogram(values, "x", "mm", [0, 2, 4, 6, 8, 10])
    assert re.findall(r"<title>(.*?)</title>", plot.svg) == [
        "0 to 2 mm: 3 ✓ accept", "2 to 4 mm: 1 ✓ accept", "4 to 6 mm: 1 ✕ refuse", "8 to 10 mm: 1 ✓ accept",
    ]  # fmt: skip
    assert plot.told == "6 in all, 1 of them refused and left out here: median 2.0 mm, from 0.0 to 10.0 mm."


@pytest.mark.parametrize("values", [[3.0], [1.0, 1.0], [-2.5, 2.51], [65.9, 295.8], [1e-3, 1e6], [0.0, 1e-9]])
def test_edges_are_round_and_around_all(values):
    edges = plots.even(values)
    assert edges[0] <= min(values)
    assert max(values) <= edges[-1]
    assert 2 <= len(edges) <= 70
    assert edges == sorted(set(edges))


def test_a_small_picture_is_the_segmented_half(folder):
    case = named(read(folder), "a/10.png")
    small = np.asarray(pictures.thumbnail(case, pictures.opened(case)))
    assert abs(small.reshape(-1, 3).astype(int) - (220, 20, 20)).max() <= 2


def test_a_montage_is_told_by_the_slice_with_the_largest_outline():
    volume = np.full((9, 40, 40), 50, np.uint8)
    labels = np.zeros((9, 40, 40), np.uint8)
    labels[3, 10:14, 10:14] = labels[5, 10:14, 10:14] = 1
    labels[4, 5:30, 5:30] = 1
    whole = Measurement({"volume_voxels": 9.0}, parts=(Measurement({}, slice=4, texts={"lesion": "1"}),))
    picture = montage.montage(volume, labels, whole)
    left, top, right, bottom = montage.telling_tile(picture)
    tile = picture[top:bottom, left:right]
    inked = (tile == montage.CYAN).all(axis=2)
    assert np.ptp(np.flatnonzero(inked.any(axis=1))) == pytest.approx(25 / 40 * (bottom - top), rel=0.1)
    assert montage.telling_tile(np.zeros((20, 20, 3), np.uint8)) is None


# The page as a file


def test_the_same_folder_gives_the_same_bytes(folder, html):
    assert page.write(folder).path.read_text(encoding="utf-8") == html
    assert case_pdf.write(folder).read_bytes() == case_pdf.write(folder).read_bytes()


def test_the_page_needs_nothing_else(html):
    addresses = re.findall(r"""\b(?:src|href|xlink:href|action|data|poster)=["']([^"']*)["']""", html)
    assert [address for address in addresses if not address.startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import|<link|<iframe|<object|<base", html) == []
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_names_are_text_and_never_markup(html):
    assert "<script>window" not in html
    assert "<img src=x" not in html
    assert html.count("</script>") == html.count("<script")


def test_nothing_but_the_table_can_name_a_patient(html):
    assert "SECRET_PATIENT" not in html
    assert "sizes.csv" in html


def test_the_run_is_told(html):
    for text in ("c0ffee" * 6, "ab" * 32, "torch", "60.0 s", "INTERGROWTH-21st", "exams.csv", RESEARCH):
        assert text in html


@pytest.mark.parametrize("rows", [made.tumour("t.nii", 12.5, 3.0) + made.tumour("none.nii"), [
    dict.fromkeys(made.table.VOLUME_COLUMNS, "") | {
        "file": "b.nii", "lesion": "all", "status": "ok", "task": "fetal-brain", "state": "accept",
        "volume_ml": "85.7", "hc_mm": "192", "largest_slice": "87",
    },
]])  # fmt: skip
def test_volumes_have_their_own_columns(tmp_path, rows):
    out = made.write(tmp_path / "out", rows, pictures=False)
    data = data_of(page.write(out).path.read_text(encoding="utf-8"))
    keys = [column["key"] for column in data["columns"]]
    assert keys[0] == "volume"
    assert "The run wrote no pictures." in (out / "report.html").read_text(encoding="utf-8")
    if rows[0]["task"] == "tumour":
        none, two = data["cases"]
        assert (none["headline"], none["state"]) == ("No tumour was found.", "check")
        assert two["headline"] == "15.5 ml (10.8 to 20.2) · 2 lesions"
        assert [part[0] for part in two["parts"]] == ["1", "2"]
    else:
        assert data["cases"][0]["headline"] == "85.7 ml · HC of the brain 192.0 mm"


def data_of(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def test_large_views_stop_at_the_page_limit_worst_first(tmp_path, monkeypatch):
    out = made.write(tmp_path / "out", [made.head(f"{i} #%.png", confidence=f"0.{i}") for i in range(1, 7)])
    page.write(out)
    whole = (out / "report.html").stat().st_size
    each = len(base64.b64decode(re.search(r'id="large-0">(.*?)<', (out / "report.html").read_text())[1]))
    monkeypatch.setattr(pictures, "ROW_BYTES", 0)
    monkeypatch.setattr(pictures, "PAGE_BYTES", 3.2 * each * 4 / 3)
    written = page.write(out)
    assert (written.inside, written.beside) == (3, 3)
    html = written.path.read_text()
    assert len(html) < whole
    assert [bool(re.search(f'id="large-{i}"', html)) for i in range(6)] == [True] * 3 + [False] * 3
    assert [case["link"] for case in data_of(html)["cases"]][2:4] == ["", "overlays/4%20%23%25.png"]
    small = Image.open(BytesIO(base64.b64decode(re.search(r'id="small-5">(.*?)<', html)[1])))
    assert max(small.size) <= max(pictures.THUMBNAIL)


# The PDF


def pages(path: Path) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", path.read_bytes()))


def outline(path: Path) -> list[str]:
    """The entries of the list of contents."""
    found = []
    for raw in re.findall(rb"/Title \(((?:\\.|[^\\)])*)\)", path.read_bytes(), re.S):
        data = re.sub(rb"\\([0-7]{3})|\\(.)", lambda m: bytes([int(m[1], 8)]) if m[1] else m[2], raw, flags=re.S)
        found.append(data[2:].decode("utf-16-be") if data.startswith(b"\xfe\xff") else data.decode("latin-1"))
    return found


def test_pdf_has_a_page_a_case_in_the_same_order(folder):
    path = case_pdf.write(folder)
    assert path.name == "report.pdf"
    assert pages(path) == len(WORST_FIRST)
    assert [entry[2:] for entry in outline(path) if entry[2:] in WORST_FIRST] == WORST_FIRST


def test_pdf_of_some_cases(folder):
    path = case_pdf.write(folder, ["9.png", "d*.png"])
    assert path.name == "cases.pdf"
    assert (pages(path), outline(path)[1:]) == (2, ["! a/9.png", "✓ dated.png"])
    with pytest.raises(SettingsError, match=r"called nobody\.png"):
        case_pdf.write(folder, ["9.png", "nobody.png"])


def test_letters_that_the_font_lacks_keep_names_apart():
    assert case_pdf.shown("Ärzte_ж_子.png") == "Ärzte_ж_\\u5b50.png"


def test_many_lesions_and_long_sentences_stay_on_their_page(tmp_path):
    rows = made.tumour("t.nii", *range(1, 40))
    rows[0]["flags"] = ";".join(["other_sequence", "fluid_not_dark", "no_slice_spacing", "bad_affine"] * 3)
    assert pages(case_pdf.write(made.write(tmp_path / "out", rows, pictures=False))) == 1


# The page at work


def _driver():
    found = shutil.which("chromedriver")
    beside = os.environ.get("CHROMEWEBDRIVER", "")
    if found is None and beside:
        found = shutil.which("chromedriver", path=beside)
    return found


@pytest.fixture(scope="module")
def browser():
    driver = _driver()
    if driver is None:
        pytest.skip("no Chromium with its driver here: the page is not tried in a browser")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary:
        options.binary_location = binary
    quiet = ("background-networking", "component-update", "sync", "gpu", "quic", "dev-shm-usage")
    for argument in ("headless=new", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in quiet)):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    chrome.set_window_size(1280, 800)
    yield chrome
    chrome.quit()


class Page:
    """The page in a browser, as a person uses it."""

    def __init__(self, browser, path: Path) -> None:
        self.browser = browser
        browser.get_log("performance")
        browser.get_log("browser")
        browser.get(path.as_uri())

    def js(self, script, *values):
        return self.browser.execute_script(script, *values)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def column(self, css):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", css)

    @property
    def names(self):
        first = "e.innerText.split('\\n')[0]"
        return self.js(f"return [...document.querySelectorAll('#cases td.name')].map((e) => {first})")

    def head(self, key):
        self.one(f"#cases th[data-key='{key}'] button").click()

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self):
        """What the page asked for, but pictures that lie in it."""
        told = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [m["params"]["request"]["url"] for m in told if m["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]


@pytest.fixture
def opened(browser, folder, html):
    return Page(browser, folder / "report.html")


def test_opens_with_what_is_flagged_first(opened):
    assert opened.names == WORST_FIRST
    assert opened.one("#count").text == "9 of 9 shown"
    assert [button.text for button in opened.all("#states button")] == [
        "– failed 1", "✕ refuse 1", "! check 2", "✓ accept 5",
    ]  # fmt: skip
    assert opened.js("return window.hacked") is None
    assert opened.complaints() == []
    assert opened.requests() == [opened.browser.current_url]


def test_sorts_both_ways_with_the_unknown_last(opened):
    sizes = ["123.0", "150.0", "180.0", "182.0", "190.0", "210.0"]
    shown = "#cases td.hc"
    opened.head("hc")
    assert [text.split()[0] for text in opened.column(shown)] == [*sizes, "900.5", "—"]
    assert opened.one("#cases th[data-key='hc']").get_attribute("aria-sort") == "ascending"
    opened.head("hc")
    assert [text.split()[0] for text in opened.column(shown)] == [*reversed(sizes), "900.5", "—"]
    opened.head("hc")
    assert opened.names == WORST_FIRST
    opened.head("name")  # numbers in names count as numbers
    assert opened.names.index("a/9.png") < opened.names.index("a/10.png")


def test_filters_by_state_flag_and_text(opened):
    opened.one("#states button[data-state='accept']").click()
    assert opened.names == WORST_FIRST[:4]
    assert opened.one("#states button[data-state='accept']").get_attribute("aria-pressed") == "false"
    opened.js(
        "const f = document.getElementById('flag'); f.value = 'faint_outline'; f.dispatchEvent(new Event('change'))"
    )
    assert opened.names == ["a/9.png", "pixels.png"]
    opened.one("#search").send_keys("NO SCALE")  # a word of the flag's sentence
    assert opened.names == ["pixels.png"]
    opened.one("#search").send_keys(" zzz")
    assert opened.names == []
    assert opened.one("#nothing").is_displayed()
    opened.one("#reset").click()
    assert opened.names == WORST_FIRST
    opened.one("#search").send_keys("damaged")
    assert opened.names == ["broken.png"]
    assert opened.complaints() == []


def test_a_picture_opens_large_and_the_keyboard_goes_on(opened):
    from selenium.webdriver.common.keys import Keys

    buttons = opened.all("#cases td.thumb button")
    buttons[2].send_keys(Keys.ARROW_DOWN)
    opened.press(Keys.ARROW_UP, Keys.ENTER)
    assert opened.one("#view-title").text == "a/9.png"
    assert opened.one("#view-state").text == "! check"
    assert "The outline is blurred" in opened.one("#view-text").text
    assert RESEARCH in opened.one("#view-text").text
    width = opened.js(
        "const i = document.querySelector('#view-picture img'); return i.decode().then(() => i.naturalWidth)"
    )
    assert width > 300
    opened.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert opened.one("#view-title").text == "loop.tif"
    assert opened.column("#view-text tbody td:first-child") == ["1", "2", "3", "4"]
    opened.press(Keys.ARROW_LEFT)
    assert "HC more than 2 SD below" in opened.one("#view-text").text
    opened.press(Keys.ESCAPE)
    assert not opened.one("#view").is_displayed()
    assert opened.js("return document.activeElement.getAttribute('aria-label')") == "Open small.png"
    opened.press("/")
    assert opened.js("return document.activeElement.id") == "search"
    assert opened.complaints() == []


def test_a_point_of_the_chart_opens_its_case(opened):
    assert len(opened.all("svg.chart #points-accept use")) == 2
    point = "document.querySelectorAll('svg.chart #points-accept use')[0]"
    opened.js(f"{point}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    assert opened.one("#view-title").text == "small.png"


def test_names_do_nothing_where_they_are_shown_large(opened):
    opened.all("#cases td.thumb button")[WORST_FIRST.index(EVIL)].click()
    assert opened.one("#view-title").text == EVIL
    assert opened.js("return window.hacked") is None
    assert opened.complaints() == []


def test_print_holds_all_rows_of_the_filter(browser, tmp_path):
    rows = [made.head(f"{i:04}.png", 100.0 + i, "accept" if i % 2 else "check") for i in range(120)]
    page_ = Page(browser, page.write(made.write(tmp_path / "out", rows, pictures=False)).path)
    assert len(page_.names) == 50
    page_.one("#after").click()
    assert page_.one("#page").text == "51 to 100 of 120"
    page_.one("#states button[data-state='check']").click()
    count = "window.rows = document.querySelectorAll('#cases tbody tr').length"
    page_.js(f"addEventListener('beforeprint', () => {{ {count}; }})")
    data = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(data["data"]).startswith(b"%PDF")
    assert page_.js("return window.rows") == 60
    assert len(page_.names) == 50


def test_two_thousand_rows_are_paged_and_searched(browser, tmp_path):
    rows = [made.head(f"{i:04}.png", 60.0 + i % 300, flags="no_spacing" if i % 7 == 0 else "") for i in range(2000)]
    page_ = Page(browser, page.write(made.write(tmp_path / "out", rows, pictures=False)).path)
    assert page_.one("#count").text == "2000 of 2000 shown"
    assert len(page_.names) == 50
    page_.one("#search").send_keys("199")
    assert page_.one("#count").text == "12 of 2000 shown"  # 0199, 1199, 1990 to 1999
    page_.one("#reset").click()
    page_.head("hc")
    page_.head("hc")
    assert page_.column("#cases td.hc")[0] == "359.0 ± 3.0 mm"


def test_pictures_beside_the_page_are_opened_or_missed_in_a_sentence(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "PAGE_BYTES", 0)
    out = made.write(tmp_path / "out", [made.head("a #1%20.png"), made.head("b.png")])
    (page_,) = (Page(browser, page.write(out).path),)
    page_.all("#cases td.thumb button")[0].click()
    picture = "const i = document.querySelector('#view-picture img'); return i.decode().then(() => i.naturalWidth)"
    assert page_.js(picture) == made.side_by_side().shape[1]
    page_.one("#view-close").click()
    (out / "overlays" / "b.png").unlink()
    page_.all("#cases td.thumb button")[1].click()
    from selenium.webdriver.support.ui import WebDriverWait

    said = "overlays/b.png beside the page, and is not there now"
    WebDriverWait(browser, 20).until(lambda _: said in page_.one("#view-picture").text)
    assert all(url.startswith(out.as_uri()) for url in page_.requests())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_read_in_dark_and_light_and_on_a_phone(browser, folder, html, scheme):
    def media(**how):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [how] if how else []})

    media(name="prefers-color-scheme", value=scheme)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        page_ = Page(browser, folder / "report.html")
        paper, ink = page_.js(
            "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
            ".map((c) => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3)"
        )
        assert abs(paper - ink) > 150
        assert (paper < ink) == (scheme == "dark")
        assert page_.js("return document.documentElement.scrollWidth <= innerWidth")
        assert page_.one("#cases td.name").is_displayed()
    finally:
        media()
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_states_are_told_by_colour_sign_and_word(opened):
    for state in State:
        badge = opened.one(f"#states .badge.{state.value}")
        assert badge.text == f"{cells.SIGNS[state.value]} {state.value}"
        red, green, blue = case_pdf.STATE_COLOURS[state]
        assert badge.value_of_css_property("background-color") == f"rgba({red}, {green}, {blue}, 1)"
