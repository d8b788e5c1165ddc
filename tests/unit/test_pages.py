"""Pages: what they show, where they lead, that nothing in a label runs, and what they depend on."""

import re
import shutil
from urllib.parse import unquote

import pytest
from planted import LINES, QUICK, TIES, TWIN, plant

import write_page
from l2s.errors import UserError
from l2s.pages import render
from l2s.pages.cells import sort_value
from l2s.pages.index import write_index
from l2s.pages.links import to_responses
from l2s.pages.render import page_digest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    results = tmp_path_factory.mktemp("planted") / "results"
    plant(results)
    write_index(results)
    return results


def rows_of(page):
    """Return the texts of each row of a page's tables."""
    text = page.read_text()
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd]\b[^>]*>.*?</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr\b.*?</tr>", text, re.S)
    ]


def test_a_table_has_a_row_for_each_model_in_the_papers_order_that_leads_to_checkpoint_and_responses(planted):
    page = planted / "tables/one.html"
    rows = [row for row in rows_of(page) if row[1] == "read"]
    assert [row[0].split(",")[0] for row in rows] == ["quick", "slow", "ties", "twin", "twin"]
    links = re.findall(r'href="\.\./(pages/[^"]+)"', page.read_text())
    for checkpoint in LINES:
        assert f"pages/checkpoints/{checkpoint}.html" in [unquote(link) for link in links]
        assert f"pages/responses/one/index.html#b={checkpoint}" in [unquote(link) for link in links]


def test_a_table_marks_the_best_and_what_cannot_be_told_from_it_with_a_sign_besides_the_colour(planted):
    text = (planted / "tables/one.html").read_text()
    marked = re.findall(r'class="(best|tied) number"[^>]*>([^<]*)<', text)
    assert [(mark, cell[-1]) for mark, cell in marked] == [("tied", "≈"), ("best", "▲"), ("tied", "≈")]


def test_a_table_of_several_benchmarks_shows_their_mean_and_then_each(planted):
    text = (planted / "tables/two.html").read_text()
    assert text.index("Mean over the benchmarks") < text.index("By benchmark")
    rows = rows_of(planted / "tables/two.html")
    assert sum(row[0] == "quick" for row in rows) == 2
    (heads,) = [row for row in rows if row[0] == "" and "x" in row]
    assert heads == ["", "x", "y"]


def test_a_page_by_hand_leads_nowhere_and_loads_nothing(planted, tmp_path):
    write_page.main("tables", planted / "tables/one.parquet", tmp_path / "one.html")
    text = (tmp_path / "one.html").read_text()
    assert "<a href" not in text and "src=" not in text and "http" not in text.replace("https://www.w3", "")


def test_no_label_or_title_ends_a_script_or_becomes_markup(planted):
    pages = sorted(planted.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text()
        assert "<script>alert" not in text and "<b>&amp;" not in text, page
        assert text.count("<script") == text.count("</script>"), page


def test_pages_of_figures_share_one_file_of_javascript(planted):
    page = planted / "figures/one/accuracy_length.html"
    assert '<script src="../../assets/vega.js">' in page.read_text()
    assert page.stat().st_size < 60_000, "Vega has 900,000"


def test_the_checkpoints_page_says_what_it_is_and_what_every_study_measured(planted):
    text = (planted / f"pages/checkpoints/{TIES}.html").read_text()
    assert "<dt>keep_fraction</dt><dd>0.2</dd>" in text and "<dt>policy, tokenizer</dt><dd>quick</dd>" in text
    root = "../../../.."
    assert f'<dt>parent, base</dt><dd><a href="{root}/pages/checkpoints/{QUICK}.html">team/quick</a></dd>' in text
    assert f'href="{root}/tables/one.html"' in text and f'href="{root}/tables/two.html"' in text
    assert f"{root}/figures/merges/{TIES}.svg" in text
    assert (planted / f"pages/checkpoints/{TWIN}.html").is_file(), "of which there is no manifest"


def test_the_entry_page_shows_run_studies_timings_and_assumptions(planted):
    text = (planted / "index.html").read_text()
    assert "The run succeeded." in text and "2026-01-02 03:04" in text
    assert text.index("study-two") < text.index("study-one") < text.index("study-late") < text.index("study-again")
    assert "Not there yet." in text[text.index("study-late") : text.index("study-again")]
    assert ["decode", "5", "1:02:05", "2.00", "1,234"] in rows_of(planted / "index.html")
    assert "figures/one/accuracy_length.svg" in text and "noise/again.html" in text and "bos: this" in text


def test_titles_begin_with_what_the_configuration_puts_before_them(planted):
    for page in (planted / "index.html", *planted.glob("pages/checkpoints/**/*.html")):
        assert "<title>ONLY A TEST: " in page.read_text(), page


def test_the_entry_page_of_a_failed_run_says_so(planted, tmp_path):
    shutil.copytree(planted, tmp_path / "results")
    file = tmp_path / "results/run/run.json"
    file.write_text(file.read_text().replace('"succeeded": true', '"succeeded": false'))
    assert "The run did not finish" in write_index(tmp_path / "results").read_text()


def test_the_same_folder_has_the_same_entry_page_and_no_pages_of_checkpoints_that_are_gone(planted, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(planted, results)
    before = {path: path.read_bytes() for path in [results / "index.html", *results.glob("pages/**/*.html")]}
    left = results / "pages/checkpoints/p/old/scale=1~0.html"
    left.parent.mkdir()
    left.write_text("old")
    write_index(results)
    assert {path: path.read_bytes() for path in before} == before
    assert not left.exists()


def test_the_entry_page_of_a_folder_without_a_run_shows_what_is_there(planted, tmp_path):
    shutil.copytree(planted / "tables", tmp_path / "tables")
    text = write_index(tmp_path).read_text()
    assert "The folder says nothing of a run." in text and "study-one" in text
    with pytest.raises(UserError, match="no such folder"):
        write_index(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("≥ 95.8", 95.8),
        ("−64.4 % [−64.6, −64.1]", -64.4),
        ("1,234 (5)", 1234),
        ("100.0%", 100),
        ("ties, 1", None),
        ("", None),
    ],
)
def test_cells_sort_by_the_number_that_they_begin_with(text, value):
    assert sort_value(text) == value


def test_addresses_of_responses_hold_what_they_must_quote():
    address = to_responses("s", "p/ties/a=1+b=2~0", benchmark="c & d", question="a/b #?&=1", sample=0)
    assert address == (
        "pages/responses/s/index.html#b=p%2Fties%2Fa%3D1%2Bb%3D2~0&benchmark=c+%26+d&question=a%2Fb+%23%3F%26%3D1&sample=0"
    )


def test_a_page_depends_on_its_templates_and_assets_and_on_no_others(tmp_path, monkeypatch):
    shutil.copytree(render.HERE / "templates", tmp_path / "templates")
    shutil.copytree(render.HERE / "assets", tmp_path / "assets")
    monkeypatch.setattr(render, "HERE", tmp_path)
    render._environment.cache_clear()
    before = {name: page_digest(name) for name in ("table.html.j2", "chart.html.j2", "audit_table.html.j2")}
    for file, changed in (
        ("assets/filter.js", {"audit_table.html.j2"}),
        ("templates/table_parts.html.j2", {"table.html.j2"}),
        ("assets/chart.js", {"chart.html.j2"}),
        ("assets/style.css", set(before)),
    ):
        path = tmp_path / file
        text = path.read_text()
        path.write_text(text + " ")
        assert {name for name in before if page_digest(name) != before[name]} == changed, file
        path.write_text(text)
    render._environment.cache_clear()
