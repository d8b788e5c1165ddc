"""The entry page and all that it leads to: links, sorting by keyboard, narrow and dark screens, hostile labels."""

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from planted import LINES, TIES, plant
from playwright.sync_api import expect

import write_vega
from l2s.files import write_text
from l2s.layout import Layout
from l2s.pages.index import write_index
from l2s.pages.render import render


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "results #1"  # a name that links must quote
    plant(folder)
    layout = Layout(str(folder))
    write_vega.main(folder / "assets/vega.js")
    for study in ("one", "two"):  # the pages of responses have tests of their own
        page = folder / f"pages/responses/{study}/index.html"
        render("base.html.j2", page, results=folder, title="Responses")
    write_text(folder / "ro-crate-metadata.json", "{}")
    assert write_index(folder) == folder / layout.index.removeprefix(f"{folder}/")
    return folder


def pages_of(results):
    found = sorted(results.rglob("*.html"))
    assert len(found) > 12
    return found


def test_every_link_of_every_page_leads_to_a_file(visit, results):
    for path in pages_of(results):
        page = visit(path)
        links = page.eval_on_selector_all("a[href], img[src], script[src]", "found => found.map(e => e.href || e.src)")
        assert links or path.name == "index.html"
        for link in links:
            address = urlsplit(link)
            assert address.scheme in ("file", "data"), f"{path}: {link}"
            file = Path(unquote(address.path))
            assert file.is_file(), f"{path}: {link}"
            if address.fragment and file == path:
                assert page.locator(f"[id='{address.fragment}']").count() == 1, f"{path}: {link}"
        page.context.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_no_page_scrolls_sideways_asks_for_anything_or_runs_what_a_label_holds(visit, results, width, dark):
    for path in pages_of(results):
        page = visit(path, width=width, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        page.context.close()


def test_from_the_entry_page_any_response_is_three_clicks_away(visit, results):
    page = visit(results / "index.html")
    page.locator("#study-one").get_by_role("link", name="Table", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="ties, scale 1"))
    row.get_by_role("link", name="ties, scale 1").first.click()
    expect(page.get_by_role("heading", name="Recipe")).to_be_visible()
    page.get_by_role("link", name="read").first.click()
    assert page.url.endswith(f"pages/responses/two/index.html#b={quote(TIES, safe='~')}")
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Long to short")


def test_a_table_sorts_by_keyboard_and_back_into_the_papers_order(visit, results):
    page = visit(results / "tables/one.html")
    names = page.locator("table").first.locator("tbody th a")
    order = [recipe for _, recipe, _, _ in LINES.values()]
    assert names.all_inner_texts() == order
    page.get_by_role("button", name="Accuracy %").first.focus()
    page.keyboard.press("Enter")
    assert [name.split(",")[0] for name in names.all_inner_texts()][:2] == ["quick", "twin"]
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    assert [name.split(",")[0] for name in names.all_inner_texts()][-2:] == ["twin", "quick"]
    page.get_by_role("button", name="Model").first.focus()
    page.keyboard.press("Space")
    assert names.all_inner_texts() == order


def test_a_figure_is_drawn_from_disk_with_its_labels_as_text(visit, results):
    page = visit(results / "figures/one/accuracy_length.html")
    expect(page.locator("#chart svg.marks")).to_be_visible()
    texts = page.locator("#chart svg.marks text").all_text_contents()
    assert any("</script>" in text for text in texts) and any("twin, weight 0.5" in text for text in texts)
