"""The audit's pages: filters, sorting and links, with nothing run."""

import re

import pytest
from playwright.sync_api import expect

from l2s.audit.alternatives import read_assumed
from l2s.audit.findings import find_all
from l2s.audit.lines import Given, audit
from l2s.audit.measured import Measured
from l2s.audit.published import Published
from l2s.audit.spec import FOLDER, Spec
from l2s.audit.write import write_audit
from l2s.config import CONFIG


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    spec = Spec(title="The paper", published="paper", results=str(tmp_path_factory.mktemp("results")))
    published = Published(FOLDER / spec.published)
    given = Given(spec, published, Measured(spec), find_all(published), read_assumed(CONFIG))
    return write_audit(given, audit(given))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_pages_open_without_network_or_error_and_do_not_scroll_sideways(visit, index, width, dark):
    for path in sorted(index.parent.glob("*.html")):
        page = visit(path, width=width, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


def test_a_finding_leads_to_its_numbers_and_each_number_back(visit, index):
    page = visit(index)
    section = page.locator("section").first
    section.locator("summary").click()
    section.get_by_role("link").first.click()
    assert "#number-" in page.url
    page.locator("tr:target").get_by_role("link", name=re.compile("^finding")).first.click()
    expect(page).to_have_url(re.compile(r"index\.html#finding-1$"))


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_the_order_round(visit, index):
    page = visit(index.with_name("3.html"))
    heading = page.get_by_role("button", name="Published")
    column = page.locator("#numbers tbody tr td[data-value]:nth-of-type(4)")
    orders = []
    for _ in range(2):
        heading.click()
        orders.append([float(value) for value in column.evaluate_all("cells => cells.map(c => c.dataset.value)")])
    assert orders[0] == sorted(orders[0]) != orders[1] == orders[0][::-1]
