"""Published numbers stand beside ours: every verdict, what explains a difference, and the pages."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from support import ROOT

from l2s.audit.alternatives import CONTEXT_LENGTH, OTHER_GRADER, read_assumed
from l2s.audit.findings import find_all
from l2s.audit.lines import Given, audit
from l2s.audit.measured import Measured, fits
from l2s.audit.published import Published
from l2s.audit.spec import FOLDER, Spec, audit_spec, in_all, published_tables
from l2s.audit.summary import by_assumption, by_table
from l2s.audit.write import SYMBOLS, write_audit, written
from l2s.contracts.audit import AUDIT, CLAIMS, VERDICTS
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.contracts.table import MEAN, TABLE
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.layout import Layout

CONFIG = ROOT / "config"
PAPER = Published(FOLDER / "paper")
FINDINGS, ASSUMED = find_all(PAPER), read_assumed(CONFIG)
BENCHMARKS = ("gsm8k", "math500", "minerva_math", "olympiadbench", "college_math", "aime24")


def line(study, method, benchmark, **changes):
    """Return a line of a study's table; accuracies in percent."""
    accuracy, tokens = changes.pop("accuracy", 50.0), changes.pop("tokens", 1000.0)
    within, hyper_parameters = changes.pop("within", 1.0), json.dumps(changes.pop("settings", {}))
    row = {"study": study, "grader": "toolkit", "pair": "7b", "method": method, "recipe": f"{method}, some recipe"}
    row |= {"hyper_parameters": hyper_parameters, "checkpoint": f"7b/{method}/x", "benchmark": benchmark}
    row |= {"level": None, "read_at": None, "budget": None, "questions": 500, "responses": 500}
    row |= {"accuracy": accuracy / 100, "accuracy_low": (accuracy - within) / 100}
    row |= {"accuracy_high": (accuracy + within) / 100, "mean_tokens": tokens, "mean_tokens_low": tokens - 50 * within}
    row |= {"mean_tokens_high": tokens + 50 * within, "median_tokens": tokens, "mean_tokens_right": tokens}
    row |= {"mean_tokens_wrong": tokens, "length_change": -0.5, "truncated": 0.0, "looping": 0.0, "no_answer": 0.0}
    row |= {"grader_failures": 0, "reflective": 0.5, "reflection_keywords": 2.0}
    return {**dict.fromkeys(TABLE.names), **row, **changes}


def noise(checkpoint, benchmark, accuracy, length):
    row = {"checkpoint": checkpoint, "benchmark": benchmark, "first": "paper", "again": "other", "responses": 500}
    row |= {"changed_responses": 9, "changed_lengths": 9, "changed_grades": 9, "first_difference": 5.0}
    return {**row, "accuracy_difference": accuracy, "length_difference": length}


@pytest.fixture
def audited(tmp_path):
    """Plant results and audit them: audited({study: lines}, noise={study: rows}, ...) -> {table: lines as mappings}."""

    def run(tables, noise=None, comparisons=(), unlike=None, **changes):
        layout = Layout(str(tmp_path / "results"))
        for study, lines in tables.items():
            write_table(table_of(lines, TABLE), tmp_path / layout.table(study))
            write_table(table_of(comparisons, COMPARISONS), tmp_path / layout.comparisons(study))
        for study, rows in (noise or {}).items():
            write_table(table_of(rows, NOISE), tmp_path / layout.noise(study))
        files = {
            name: {"table": layout.table(name), "comparisons": layout.comparisons(name), "unlike": unlike}
            for name in tables
        }
        said = {
            "audits": {"1": "table_1"},
            "tables": files,
            "noise": {name: layout.noise(name) for name in noise or {}},
        }
        spec = Spec(title="An audit", published="paper", results=layout.results, **{**said, **changes})
        given = Given(spec, PAPER, Measured(spec), FINDINGS, ASSUMED)
        found = run.found = audit(given)
        run.summary, run.write = by_assumption(found, given.assumed), lambda: write_audit(given, found)
        return {table: lines.to_pylist() for table, lines in found.items()}

    return run


def one(lines, method, benchmark, metric):
    found = [row for row in lines if (row["method"], row["benchmark"], row["metric"]) == (method, benchmark, metric)]
    assert len(found) == 1
    return found[0]


def test_a_number_inside_our_interval_is_reproduced_also_where_only_rounding_puts_it_outside(audited):
    lines = [line("table_1", "quick", "gsm8k", accuracy=89.94), line("table_1", "quick", "math500", accuracy=53.26)]
    rows = audited({"table_1": lines})["1"]
    near, outside = (one(rows, "quick", benchmark, "accuracy") for benchmark in ("gsm8k", "math500"))
    assert (near["verdict"], near["published_low"], near["ours"]) == ("reproduced", 88.9, pytest.approx(89.94))
    assert near["difference"] == pytest.approx(1.04)
    assert (outside["verdict"], outside["published_low"]) == ("differs", 52.2)


def test_a_difference_that_decoding_again_makes_too_is_within_noise(audited):
    lines = [line("table_1", "average", name, accuracy=80, tokens=600) for name in ("gsm8k", "math500")]
    again = [noise("7b/average/x", "gsm8k", -0.02, 0.1), noise("7b/ties/y", "math500", 0.001, 0.5)]
    rows = audited({"table_1": lines}, {"once_more": again})["1"]
    accuracy, length = (one(rows, "average", "gsm8k", metric) for metric in ("accuracy", "mean_tokens"))
    assert (accuracy["published_low"], accuracy["verdict"], accuracy["noise"]) == (81.6, "within noise", 2.0)
    assert (length["verdict"], length["noise"]) == ("reproduced", pytest.approx(60))
    # Of another merge of the pair, where the checkpoint itself was not decoded again.
    far = one(rows, "average", "math500", "accuracy")
    assert (far["published_low"], far["verdict"], far["noise"]) == (78.2, "differs", pytest.approx(0.1))


def test_what_explains_a_difference_stands_beside_it(audited):
    lines = [
        line("table_1", "ties", "math500", accuracy=70, tokens=3000),
        line("table_1", "ties", "math500", accuracy=70.5, tokens=1500, read_at=4096),
        line("table_1", "ties", "math500", accuracy=82, tokens=3000, grader="math_verify"),
    ]
    trimmed = [
        line("ties_trim", "ties", "math500", accuracy=70, tokens=3000),
        line("ties_trim", "ties", "math500", accuracy=82.5, tokens=2500, checkpoint="7b/ties/model"),
    ]
    rows = audited({"table_1": lines, "ties_trim": trimmed})["1"]
    accuracy = one(rows, "ties", "math500", "accuracy")
    assert (accuracy["published_low"], accuracy["verdict"]) == (81.8, "differs")
    assert accuracy["alternatives"] == [
        {"what": "graded by math_verify", "assumption": "grader", "value": pytest.approx(82), "explains": True},
        {"what": "context length 4,096", "assumption": "context_length", "value": 70.5, "explains": False},
        {"what": "ties_trim: ties, some recipe", "assumption": "ties_k", "value": 82.5, "explains": True},
    ]
    length = one(rows, "ties", "math500", "mean_tokens")
    assert [(found["assumption"], found["explains"]) for found in length["alternatives"]] == [
        ("context_length", True),
        ("ties_k", False),
    ]
    counts = {count.name: count for count in audited.summary}
    assert (counts["grader"].compared, counts["grader"].explained) == (1, 1)
    assert (counts["context_length"].compared, counts["context_length"].explained) == (2, 1)


def test_other_decode_settings_of_an_assumption_are_an_alternative_and_no_noise(audited):
    lines = [line("table_1", "sens", "gsm8k", accuracy=80, tokens=600)]
    rows = audited({"table_1": lines}, {"sens_dtype_7b": [noise("7b/sens/x", "gsm8k", 0.11, 0.0)]})["1"]
    sens = one(rows, "sens", "gsm8k", "accuracy")
    assert (sens["published_low"], sens["verdict"], sens["noise"]) == (91.3, "differs", None)
    (found,) = sens["alternatives"]
    assert (found["assumption"], found["value"], found["explains"]) == ("sens_dtype", pytest.approx(91), True)


def test_a_number_that_cannot_be_right_is_not_comparable(audited):
    lines = [line("table_1", "dare_ta", name) for name in (*BENCHMARKS, MEAN)]
    row = one(audited({"table_1": lines})["1"], "dare_ta", MEAN, "length_change")
    assert (row["verdict"], row["published_low"], row["ours"]) == ("not comparable", -46.0, -50.0)
    assert "DARE-TA at 7B, −46.0 %, is not what its row gives" in row["reason"]


def test_several_lines_and_a_rehearsal_are_not_comparable(audited):
    lines = [line("table_1", "ties", "gsm8k"), line("table_1", "ties", "gsm8k", checkpoint="7b/ties/y")]
    row = one(audited({"table_1": lines})["1"], "ties", "gsm8k", "accuracy")
    assert (row["verdict"], row["reason"]) == ("not comparable", "2 lines of the study are such a row")
    row = one(audited({"table_1": lines[:1]}, unlike="a rehearsal")["1"], "ties", "gsm8k", "accuracy")
    assert (row["verdict"], row["reason"], row["ours"]) == ("not comparable", "a rehearsal", 50.0)


def test_what_was_not_run_says_why(audited):
    found = audited({"table_1": [line("table_1", "quick", "gsm8k")]}, audits={"1": "table_1", "2": "table_2"})
    assert one(found["1"], "dpo", "gsm8k", "accuracy")["reason"] == "the study table_1 has no such line"
    assert {row["reason"] for row in found["2"]} == {"the study table_2 has no table yet"}
    impossible = one(found["6"], "aim", "math500", "reflective")
    assert (impossible["verdict"], impossible["study"]) == ("not run", None)
    assert "can be no share" in impossible["reason"]


def test_a_length_change_has_the_interval_of_its_comparison(audited):
    key = {"study": "table_1", "grader": "toolkit", "pair": "7b", "method": "ties", "recipe": "r", "questions": 9}
    compared = dict.fromkeys(COMPARISONS.names) | key | {"checkpoint": "7b/ties/x", "against": "models/slow"}
    compared |= {"against_is": "reference", "benchmark": MEAN, "length_change_low": -0.6, "length_change_high": -0.4}
    compared |= {"accuracy_difference": 0.0, "p_value": 1.0, "p_holm": 1.0, "distinguishable": False}
    compared |= {"detectable": 0.1, "allowed_loss": 0.01, "loss_bound": 0.1, "both_right": 3}
    lines = [line("table_1", "ties", name) for name in (*BENCHMARKS, MEAN)]
    row = one(audited({"table_1": lines}, comparisons=[compared])["1"], "ties", MEAN, "length_change")
    assert (row["ours"], row["ours_low"], row["ours_high"], row["verdict"]) == (-50, -60, -40, "reproduced")


def test_numbers_of_reflective_responses_and_levels_are_compared(audited):
    share = line("table_2", "ties", "gsm8k", pair="1.5b", reflective=0.01, responses=1319, questions=1319)
    bars = [line("figure_2", "ties", "math500", level=level, questions=43, reflective=0.256) for level in (1, 2)]
    found = audited({"table_2": [share], "figure_2": bars}, audits={"2": "table_2", "2b": "figure_2"})
    row = one(found["2"], "ties", "gsm8k", "reflective_responses")
    assert row["ours"] == pytest.approx(13.19)
    assert row["ours_low"] < 13.19 < row["ours_high"]
    (first,) = [row for row in found["2b"] if (row["method"], row["level"]) == ("ties", 1)]
    assert (first["published_low"], first["ours"], first["verdict"]) == (25.6, pytest.approx(25.6), "reproduced")


def test_claims_are_computed_from_the_tables(audited):
    means = {"quick": 32.0, "slow": 54.0, "average": 48.0, "ties": 53.0, "dare_ties": 53.5, "aim": 55.0}
    table_1 = [line("table_1", method, MEAN, accuracy=accuracy) for method, accuracy in means.items()]
    scales = [
        line("alpha_sweep", "task_arithmetic", MEAN, accuracy=a, settings={"scale": s}, checkpoint=f"7b/ta/{s}")
        for s, a in ((0.6, 52.8), (0.7, 53.5), (0.8, 54.5))
    ]
    rows = audited({"table_1": table_1, "alpha_sweep": scales})[CLAIMS]
    claims = {row["label"].split(": ", 1)[1]: row for row in rows}
    more = claims["Averaging is more accurate than the quick model."]
    assert (more["verdict"], more["ours"]) == ("reproduced", pytest.approx(16))
    assert more["ours_high"] - more["ours_low"] == pytest.approx(2 * 2**0.5)
    # The interval reaches below 0, and yet ours has the other direction.
    assert claims["DARE before TIES makes it worse."]["verdict"] == "differs"
    gap = claims["A tenth more or less of the scale already shows."]
    assert (gap["ours"], gap["verdict"]) == (pytest.approx(0.85), "reproduced")
    assert claims["DARE's drop rate has to stay below one half."]["verdict"] == "not run"
    assert claims["Parameters differ by more than the 0.002 up to which DARE is said to work."]["verdict"] == (
        "not comparable"
    )


def test_settings_pick_lines_by_a_hyper_parameter():
    assert fits({"scale": 0.2}, "") and fits({"scale": 0.2}, "scale=0.2") and fits({"data": "b"}, "data=a|b")
    assert not fits({"scale": 0.3}, "scale=0.2") and not fits({}, "scale=0.2") and not fits({"data": "c"}, "data=a|b")
    assert fits({"of": {"method": "ties"}}, "of.method=ties") and not fits({"of": {"method": "ties"}}, "of.method=aim")


def test_every_number_of_other_papers_is_that_of_one_line_of_the_study_that_measures_it():
    experiment = Experiment(yaml.safe_load((CONFIG / "beyond.yaml").read_text()), CONFIG)
    spec = audit_spec(experiment, Layout("results"))
    published = Published(FOLDER / "beyond")
    assert set(spec.audits) == set(published.tables)
    for cell in published.cells.itertuples():
        lines = [line for line in experiment.lines[spec.audits[cell.table]] if line.pair == cell.pair]
        fitting = [one for one in lines if one.method == cell.method and fits(one.hyper_parameters, cell.setting)]
        assert len(fitting) == 1, cell
        asked = experiment.studies[spec.audits[cell.table]].benchmarks
        assert cell.benchmark in {*asked, MEAN}


@pytest.mark.parametrize(
    ("value", "rounding", "sign", "text"),
    [(-0.04, 0.05, True, "+0.0"), (-1.26, 0.05, True, "−1.3"), (1234.4, 0.5, False, "1,234"), (None, 0.5, True, "")],
)
def test_numbers_have_the_digits_of_the_published_one_and_nothing_has_no_minus(value, rounding, sign, text):
    assert written(value, rounding, sign) == text


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given["id"]} if "id" in given else set()
        self.links += [given["href"]] if tag == "a" else []
        self.sources += [given[name] for name in ("src", "href") if name in given and tag in ("script", "img", "link")]


def test_with_nothing_run_every_number_says_so_and_the_findings_are_shown(audited):
    found = audited({}, audits={})
    assert {row["verdict"] for rows in found.values() for row in rows} == {"not run"}
    text = audited.write().read_text()
    assert "The mean of gsm8k −43.47" in text and "is −46.98, and −46.0 is printed" in text
    assert sum(count.total for count in by_table(audited.found)) == sum(map(len, found.values())) == 552


def test_pages_and_tables_hold_every_number_and_their_links_lead_somewhere(audited):
    lines = [line("table_1", "ties", name, accuracy=70) for name in BENCHMARKS]
    lines += [line("table_1", "ties", "math500", accuracy=82, grader="math_verify")]
    found = audited({"table_1": lines})
    folder = audited.write().parent
    pages = {path.name: Page(path.read_text()) for path in folder.glob("*.html")}
    assert set(pages) == {"index.html", *(f"{table}.html" for table in found)}
    for page in pages.values():
        for link in page.links:
            path, _, anchor = link.partition("#")
            path = path.removeprefix("../audit/")
            assert path == "../index.html" or path in pages  # the results' entry page is another rule's
            assert not anchor or anchor in pages[path].ids
        assert all(source.startswith("data:") for source in page.sources)
    for table, rows in found.items():
        assert read_table(folder / f"{table}.parquet", AUDIT).num_rows == len(rows)
        with (folder / f"{table}.csv").open(newline="") as stream:
            assert len(list(csv.DictReader(stream))) == len(rows)
    assert "graded by math_verify: 82 (explains it)" in (folder / "1.csv").read_text()
    shown = re.sub(r"\s+", " ", (folder / "1.html").read_text())
    assert "graded by math_verify (grader): 82.0 <span" in shown
    assert "70.0 [69.0, 71.0]" in shown and "−11.8" in shown


def experiment(name, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return Experiment({**yaml.safe_load((CONFIG / f"{name}.yaml").read_text()), **changes}, CONFIG)


LAYOUT = Layout("r")


def test_every_table_of_the_paper_has_a_study_and_every_claim_too():
    spec = audit_spec(experiment("config"), LAYOUT)
    assert set(spec.audits) == set(published_tables("paper")) - {CLAIMS} == set(PAPER.tables) - {CLAIMS}
    assert spec.audits["1"] == "table_1" and spec.audits["2b"] == "figure_2"
    assert set(PAPER.claims["study"]) <= set(spec.tables)
    assert in_all(spec)


def test_assumptions_name_what_other_readings_of_a_table_are():
    assert {OTHER_GRADER, CONTEXT_LENGTH} <= ASSUMED.keys()


def test_an_audit_belongs_to_a_run_if_its_studies_measure_something():
    assert audit_spec(experiment("config", published=None), LAYOUT) is None and not in_all(None)
    assert not in_all(audit_spec(experiment("config", studies=["spectra"]), LAYOUT))
    assert in_all(audit_spec(experiment("config", studies=["table_2"]), LAYOUT))


def unlike(name, **changes):
    tables = audit_spec(experiment(name, **changes), LAYOUT).tables
    return {study: files.unlike for study, files in tables.items()}


def test_numbers_of_stand_ins_and_of_fewer_questions_than_the_benchmark_asks_are_not_compared():
    assert set(unlike("rehearsal").values()) == {"a rehearsal: with stand-ins for the models"}
    assert set(unlike("config", studies=["table_2"]).values()) == {None}
    gsm8k = {"studies": ["demo_real", "demo_real_gsm8k"], "first_questions": 80}
    few = "only the first 80 questions of gsm8k"
    assert unlike("demo_real", **gsm8k) == {"demo_real": None, "demo_real_gsm8k": few}
    assert unlike("demo_real", first_questions=79) == {"demo_real": "only the first 79 questions of demo_words"}
    assert unlike("config", studies=["table_2"], first_questions=999)["table_2"] == (
        "only the first 999 questions of gsm8k"
    )


@pytest.mark.parametrize(
    ("study", "changes", "message"),
    [
        (None, {"published": "papr"}, r"key 'published' of the configuration: .* are beyond, demo, demo_real, paper"),
        ({"audits": "0"}, {}, r"mine.yaml: key 'audits': no published numbers .* have a table '0'"),
        ({"audits": "2"}, {}, r"mine.yaml: key 'audits': study 'table_2' says table 2 as well"),
    ],
)
def test_mistakes_are_named(config, study, changes, message):
    studies = ["table_2"]
    if study:
        (config / "studies" / "mine.yaml").write_text(yaml.safe_dump({"extends": "table_2", **study}))
        studies.append("mine")
    values = {**yaml.safe_load((config / "config.yaml").read_text()), "studies": studies, **changes}
    with pytest.raises(UserError, match=message):
        audit_spec(Experiment(values, config), LAYOUT)


def test_verdicts_have_symbols_of_their_own():
    assert set(SYMBOLS) == set(VERDICTS) and len(set(SYMBOLS.values())) == len(VERDICTS)


def test_a_run_may_follow_an_audit_of_nothing(tmp_path):
    results = tmp_path / "results"
    spec = audit_spec(experiment("demo", results=str(results)), Layout(str(results)))
    given = Given(spec, Published(FOLDER / "demo"), Measured(spec), [], {})
    write_audit(given, audit(given))
    assert [entry.name for entry in results.iterdir()] == ["audit"]
    experiment("demo", results=str(results))
