"""Results of made-up checkpoints, and the page of responses that is written from them."""

from l2s.contracts.grades import GRADES
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES
from l2s.layout import Layout
from l2s.pages.responses import ResponsesSpec, write_responses_page
from l2s.pages.shards import write_shard

GRADERS = ("math_verify", "toolkit")


def question(number, text, benchmark="b", level=None, gold="1"):
    return {"benchmark": benchmark, "question_id": str(number), "question": text, "gold": gold, "level": level}


def answer(asked, text, outcomes=("correct", "correct"), tokens=10, finish="stop", found=None, sample=0, **reading):
    """Return a row of RESPONSES, and for each grader a row of GRADES, to which ``found`` is the answer in the text."""
    key = {"benchmark": asked["benchmark"], "question_id": asked["question_id"], "sample": sample}
    key |= {"read_at": None, "budget": None, **reading}
    counts = {"prompt_sha256": None, "prompt_tokens": None, "output_ids": None, "output_tokens": tokens}
    ended = {"finish_reason": finish, "thinking_closed": None, "repetition": None, "imported_score": None}
    response = {**key, **counts, "retokenized": tokens + 1, "text": text, **ended}
    start = None if found is None else text.rindex(found)
    place = {"answer": found, "answer_start": start, "answer_end": None if found is None else start + len(found)}
    return response, [
        {**key, **place, "outcome": outcome, "gold": asked["gold"], "gold_parsed": None} for outcome in outcomes
    ]


def plant(results, asked, answers, title="A study", **changes):
    """Write questions, responses and grades, then the shards and the page; answers are lists by checkpoint."""
    layout = Layout(str(results))
    benchmarks = list(dict.fromkeys(row["benchmark"] for row in asked))
    for benchmark in benchmarks:
        rows = [row for row in asked if row["benchmark"] == benchmark]
        write_table(table_of(rows, QUESTIONS), results / f"questions/{benchmark}.parquet")
    questions = [read_table(results / f"questions/{benchmark}.parquet", QUESTIONS) for benchmark in benchmarks]
    for checkpoint, given in answers.items():
        responses = table_of([response for response, _ in given], RESPONSES)
        grades = {
            grader: table_of([graded[number] for _, graded in given], GRADES) for number, grader in enumerate(GRADERS)
        }
        write_shard(responses, grades, questions, results / f"pages/shards/{checkpoint}/demo.js")
    spec = {
        "study": "study",
        "title": title,
        "graders": GRADERS,
        "questions": [layout.questions(benchmark) for benchmark in benchmarks],
        "checkpoints": [
            {"name": name, "pair": "pair", "label": name.split("/")[-1], "shard": layout.shard(name, "demo")}
            for name in answers
        ],
        "first": next(iter(answers)),
        "second": list(answers)[-1],
    }
    page = results / "pages/responses/study/index.html"
    write_responses_page(ResponsesSpec(**{**spec, **changes}), page, results)
    return page
