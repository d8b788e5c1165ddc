"""The page of responses and the shards that it loads, as files; tests/browser opens them."""

import base64
import gzip
import json
import re

import pytest
from response_pages import answer, plant, question

from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError
from l2s.pages import shards
from l2s.pages.responses import fragment
from l2s.pages.shards import write_shard

ASKED = [question(0, "What is 3 + 4?"), question(1, "What is 2 * 60?", gold="120")]
NAME = "pair/ties/scale=1~1a2b3c4d"


def unpacked(text):
    return json.loads(gzip.decompress(base64.b64decode(text)))


def read_shard(results, name=NAME):
    """Return what a browser would: the numbers of a shard, and its blocks."""
    script = (results / f"pages/shards/{name}/demo.js").read_text()
    numbers, *blocks = re.findall(r'"([^"]*)"', re.fullmatch(r"addShard\((.*)\);\n", script, re.DOTALL)[1])
    return unpacked(numbers), [unpacked(block) for block in blocks]


def test_a_shard_holds_responses_as_decoded_with_their_grades_and_key_points(tmp_path):
    text = "\U0001d465 = 3 so 2 * 60 = 120, and 5 * 8 = 40: \\boxed{120}"
    given = [answer(ASKED[0], "7"), answer(ASKED[1], text, ("wrong", "correct"), tokens=20, found="120")]
    cut = answer(ASKED[0], "cut", budget=1)
    plant(tmp_path, ASKED, {NAME: [*given, cut]})
    numbers, [[_, (kept, answers, points, stated)]] = read_shard(tmp_path)
    assert numbers["question_id"] == ["0", "1"] and numbers["output_tokens"] == [10, 20]
    assert numbers["retokenized"] == [11, 21]
    assert numbers["outcomes"] == {"math_verify": ["correct", "wrong"], "toolkit": ["correct", "correct"]}
    assert kept == text and points == ["3", "40"] and {"3", "60", "40"} <= set(stated)
    found, start, end = answers[1]
    assert found == "120" and text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le") == "120"


def test_texts_lie_in_blocks_of_some_size_and_numbers_say_where_each_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "BLOCK_CHARACTERS", 10)
    asked = [question(number, "?") for number in range(5)]
    texts = ["long text that fills a block", "abcd", "efgh", "ijkl", ""]
    plant(tmp_path, asked, {NAME: [answer(one, text) for one, text in zip(asked, texts, strict=True)]})
    numbers, blocks = read_shard(tmp_path)
    assert [[row[0] for row in block] for block in blocks] == [texts[:1], texts[1:3], texts[3:]]
    assert numbers["first_rows"] == [0, 1, 3]


def test_the_same_responses_give_the_same_shard(tmp_path):
    for folder in ("one", "two"):
        plant(tmp_path / folder, ASKED, {NAME: [answer(one, "7") for one in ASKED]})
    one, two = (tmp_path / folder / f"pages/shards/{NAME}/demo.js" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_response_without_a_grade_is_named(tmp_path):
    response, _ = answer(ASKED[0], "7")
    _, grades = answer(ASKED[1], "7")
    with pytest.raises(UserError, match=r"toolkit has no grade of \('b', '0', 0\); grade the responses again"):
        write_shard(
            table_of([response], RESPONSES),
            {"toolkit": table_of(grades[:1], GRADES)},
            [table_of(ASKED, QUESTIONS)],
            tmp_path / "shard.js",
        )


def test_a_page_holds_its_questions_and_finds_its_shards_beside_it(tmp_path):
    hostile = "</script><script>alert(1)</script>"
    page = plant(tmp_path, ASKED, {NAME: [answer(one, hostile) for one in ASKED]}, title=hostile).read_text()
    assert hostile not in page
    data = json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page)[1])
    assert data["scripts"] == {NAME: f"../../shards/{NAME}/demo.js"}
    assert [row["question"] for row in unpacked(data["questions"])] == [row["question"] for row in ASKED]
    assert (data["first"], data["length"], data["cut"]) == (NAME, "output_tokens", ["length", "context_length"])


def test_a_link_to_a_question_quotes_the_names_in_it():
    assert fragment("models/slow", NAME, benchmark="b", question="a&b#1") == (
        "#a=models%2Fslow&b=pair%2Fties%2Fscale%3D1~1a2b3c4d&benchmark=b&question=a%26b%231"
    )
