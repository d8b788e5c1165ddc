"""What the browser's fixture notices: a page that asks a network for something, prints an error, or throws one."""


def test_requests_to_a_network_and_errors_are_noticed(visit, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html lang=en><title>t</title><link rel=icon href='data:,'><img src='https://example.org/a.png'>"
        "<script>console.warn('hm'); alert('hello'); throw new Error('broken')</script>"
    )
    visit(page)
    found = " ".join(visit.problems)
    assert all(words in found for words in ("asked for https://example.org/a.png", "warning: hm", "thrown: broken"))
    assert "dialog: hello" in found
    visit.problems.clear()
