"""The page of responses: two checkpoints question by question, with filters, search, keyboard and links."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect
from response_pages import answer, plant, question

SLOW, MERGED, QUICK = "models/slow", "pair/ties/keep_fraction=0.2~1a2b3c4d", "models/quick"
HOSTILE = """</script><script>alert('text')</script><img src=x onerror="alert('image')"><!--<b>&amp;\u2028]]>"""
ASKED = [
    question(0, "What is 3 + 4?", level=1, gold="7"),
    question(1, f"How many? {HOSTILE}", level=2),
    question(2, "What is $x$?", level=1),
    question("a/b #?&=1", "How far?", benchmark="c & d"),
]
THINKING = (
    "Hm, wait. Let me double-check: 3 + 4 = 8, no.</think>The sum of the first is 12 = 3 * 4. So \U0001d465 is 5.\n"
)
HELD = """() => {
  for (let n = 0; n < 300; n++) document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true}));
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    sums, many, unknown, far = ASKED
    answers = {
        SLOW: [
            answer(sums, f"{THINKING}It is \\boxed{{7}}", tokens=100, found="7"),
            answer(many, HOSTILE, tokens=1500, found=HOSTILE),
            answer(unknown, "wait wait", ("wrong", "no_answer"), tokens=4000, finish="length"),
            answer(far, "Ten miles", tokens=30),
        ],
        QUICK: [answer(one, "no idea", ("wrong", "wrong"), tokens=2) for one in ASKED],
        MERGED: [
            answer(sums, "3 * 4 = 12, so \\boxed{7}", tokens=40, found="7"),
            answer(many, "Two", ("wrong", "timeout"), tokens=20),
            answer(unknown, "It is \\boxed{1}", ("correct", "wrong"), tokens=400, found="1"),
            answer(far, "Ten kilometres", tokens=60),
        ],
    }
    return plant(tmp_path_factory.mktemp("results"), ASKED, answers, title=f"A study {HOSTILE}")


@pytest.fixture
def page(visit, page_file):
    page = visit(page_file)
    expect(page.locator("#status")).to_have_text("4 of 4 questions")
    return page


def link(**named):
    return "#" + urlencode(named)


def listed(page):
    return page.locator("[role=option] .id").all_text_contents()


def shown(page):
    return page.locator("[data-part=name]")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("A right, B wrong", ["b 1"]),
        ("B right, A wrong", ["b 2"]),
        ("both wrong", []),
        ("truncated", ["b 2"]),
        ("graders disagree", ["b 1", "b 2"]),
    ],
)
def test_a_filter_shows_only_the_questions_that_it_names(page, name, found):
    page.locator("#show").select_option(name)
    expect(page.locator("#status")).to_have_text(f"{len(found)} of 4 questions")
    assert listed(page) == found
    assert page.locator("#compared").is_visible() == bool(found)


def test_levels_and_benchmarks_filter_and_the_longest_saving_comes_first(page):
    page.locator("#order").select_option("longest saving first")
    assert listed(page) == ["b 2", "b 1", "b 0", "c & d a/b #?&=1"]
    page.locator("#level").select_option("1")
    assert listed(page) == ["b 2", "b 0"]
    page.locator("#level").select_option("all")
    page.locator("#benchmark").select_option("c & d")
    assert listed(page) == ["c & d a/b #?&=1"]


def test_both_responses_stand_side_by_side_with_lengths_outcomes_and_marks(page):
    expect(shown(page)).to_have_text("b 0, level 1")
    assert page.locator("[data-part=a-text]").text_content() == f"{THINKING}It is \\boxed{{7}}"
    assert page.locator("[data-part=b-text]").text_content() == "3 * 4 = 12, so \\boxed{7}"
    facts = page.locator("[data-part=b-facts]").text_content()
    assert "40 tokens (−60 % against A)" in facts and "math_verify✓ correct: 7toolkit✓ correct: 7" in facts
    assert page.locator("[data-part=a-text] .keyword").all_text_contents() == ["wait", "double-check"]
    # 𝑥 before it is one character in Python and two in JavaScript.
    assert page.locator("[data-part=a-text] .answer").all_text_contents() == ["7"]
    assert page.locator("[data-part=a-text] .answer").get_attribute("title") == "answer found by math_verify, toolkit"
    page.locator("[data-part=a-facts] button").first.click()
    assert page.locator("[data-part=kept] li").all_text_contents() == ["12"]
    assert page.locator("[data-part=lost] li").all_text_contents() == ["5"]
    page.locator("#show").select_option("truncated")
    expect(page.locator("[data-part=a-facts]")).to_contain_text("cut by the budget")
    expect(page.locator("[data-part=a-facts]")).to_contain_text("toolkit○ no answer")


def test_search_looks_into_questions_and_both_responses_and_takes_the_text_as_it_is(page):
    field = page.locator("#search")
    for text, found in [("HOW FAR", 1), ("kilometres", 1), ("</think>the", 1), ("ten", 1), (".*", 0), ("\\boxed{", 2)]:
        field.fill(text)
        expect(page.locator("#status")).to_have_text(f"{found} of 4 questions")
    field.fill("")
    expect(page.locator("#status")).to_have_text("4 of 4 questions")


def test_everything_can_be_done_by_keyboard(page):
    keys = page.keyboard.press
    expect(page.locator("#list")).to_be_focused()
    for key, name in [
        ("j", "b 1"),
        ("ArrowDown", "b 2"),
        ("k", "b 1"),
        ("ArrowUp", "b 0"),
        ("End", "c & d"),
        ("Home", "b 0"),
    ]:
        keys(key)
        expect(shown(page)).to_contain_text(name)
        expect(page.locator("[aria-selected=true]")).to_contain_text(name)
        assert page.locator("[aria-selected=true]").get_attribute("id") == page.locator("#list").get_attribute(
            "aria-activedescendant"
        )
    keys("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("j/k")
    expect(page.locator("#status")).to_have_text("0 of 4 questions")
    keys("Control+a")
    keys("Delete")
    expect(page.locator("#status")).to_have_text("4 of 4 questions")
    keys("Escape")
    expect(page.locator("#list")).to_be_focused()
    page.locator("#a").focus()
    for name in ("swap", "b", "show", "order", "benchmark", "level", "search", "list"):
        keys("Tab")
        expect(page.locator(f"#{name}")).to_be_focused()


def test_a_link_leads_to_a_question_of_two_checkpoints_and_the_address_follows(visit, page_file):
    asked = ASKED[3]
    page = visit(page_file, link(a=QUICK, b=MERGED, benchmark=asked["benchmark"], question=asked["question_id"]))
    expect(shown(page)).to_have_text("c & d a/b #?&=1")
    assert page.locator("[data-part=a-text]").text_content() == "no idea"
    page.keyboard.press("k")
    expect(shown(page)).to_contain_text("b 2")
    expect(page).to_have_url(re.compile("question=2$"))
    again = visit(page_file, page.evaluate("location.hash"))
    expect(shown(again)).to_contain_text("b 2")
    assert again.locator("#a").input_value() == QUICK
    page.evaluate(f"location.hash = {link(a=SLOW, b=MERGED, benchmark='b', question='1')!r}")
    expect(shown(page)).to_contain_text("b 1")
    page.evaluate(f"location.hash = {link(a=SLOW, b=MERGED, benchmark='b', question='99')!r}")
    expect(page.locator("#status")).to_contain_text("names a question that is not here: 99")


@pytest.mark.parametrize(
    ("named", "first", "second"),
    [
        ({"b": QUICK}, SLOW, QUICK),
        ({"a": QUICK}, QUICK, SLOW),
        ({"a": SLOW}, SLOW, MERGED),
        ({"b": SLOW, "a": "models/gone"}, MERGED, SLOW),
    ],
)
def test_a_link_to_one_checkpoint_shows_it_beside_the_reference(visit, page_file, named, first, second):
    page = visit(page_file, link(**named))
    expect(page.locator("#status")).to_have_text("4 of 4 questions")
    assert (page.locator("#a").input_value(), page.locator("#b").input_value()) == (first, second)


def test_other_checkpoints_keep_the_question_and_swapping_turns_them_round(page):
    page.keyboard.press("j")
    page.get_by_label("Swap A and B").click()
    expect(page.locator("[data-part=a-text]")).to_have_text("Two")
    expect(shown(page)).to_contain_text("b 1")
    page.locator("#a").select_option("quick")
    expect(page.locator("[data-part=a-text]")).to_have_text("no idea")
    expect(shown(page)).to_contain_text("b 1")


def test_html_and_script_in_a_response_question_or_title_is_text(page):
    """Nothing of it runs: the fixture fails a test in which a page opens a dialog, prints an error or asks for x."""
    page.keyboard.press("j")
    expect(shown(page)).to_contain_text("b 1")
    assert page.locator("[data-part=a-text]").text_content() == HOSTILE
    assert page.locator("[data-part=question]").text_content() == f"How many? {HOSTILE}"
    assert page.locator("[data-part=a-facts] button").first.text_content() == HOSTILE
    assert page.locator("h1").text_content() == f"A study {HOSTILE}: responses"
    assert page.locator("main img, main b, main script").count() == 0


def test_a_shard_that_is_not_there_is_named(visit, page_file, tmp_path):
    copy = tmp_path / "pages/responses/study/index.html"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(page_file.read_bytes())
    page = visit(copy)
    expect(page.locator("#status")).to_contain_text("shards/models/slow/demo.js is missing or cannot be read")
    assert [problem for problem in visit.problems if "ERR_FILE_NOT_FOUND" not in problem] == []
    visit.problems.clear()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_a_page_of_thousands_holds_only_what_is_in_sight_and_fits_its_width(visit, tmp_path, width, dark):
    asked = [question(number, f"Question {number} {'word ' * 60}", level=1 + number % 5) for number in range(6000)]
    answers = {name: [answer(one, f"{name} says {one['question_id']}") for one in asked] for name in (SLOW, MERGED)}
    page = visit(plant(tmp_path, asked, answers), width=width, dark=dark)
    expect(page.locator("#status")).to_have_text("6,000 of 6,000 questions")
    assert page.locator("[role=option]").count() < 60
    page.evaluate(HELD)
    expect(shown(page)).to_have_text("b 300, level 1")
    expect(page).to_have_url(re.compile("question=300$"))
    page.keyboard.press("End")
    expect(page.locator("[data-part=b-text]")).to_have_text(f"{MERGED} says 5999")
    page.locator("#search").fill("says 4321")
    expect(page.locator("#status")).to_have_text("1 of 6,000 questions")
    expect(page.locator("[data-part=b-text]")).to_have_text(f"{MERGED} says 4321")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(("asked", "longer"), [("0", "text"), ("2", "facts")])
def test_both_texts_begin_at_the_same_height_whatever_is_said_in_them_and_above_them(page, asked, longer):
    page.goto(page.url.partition("#")[0] + link(benchmark="b", question=asked))
    expect(shown(page)).to_contain_text(f"b {asked}")
    first, second = (page.locator(f"[data-part={side}-{longer}]").inner_text() for side in "ab")
    assert len(first.splitlines()) > len(second.splitlines())
    texts = [page.locator(f"[data-part={side}-text]").bounding_box() for side in "ab"]
    assert texts[0]["y"] == pytest.approx(texts[1]["y"], abs=1)
    assert texts[0]["x"] + texts[0]["width"] < texts[1]["x"]
