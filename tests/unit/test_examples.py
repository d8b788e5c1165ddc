"""Examples: from JSON or Python, a file or an address; parsed and never run, pinned by their sha256."""

import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support import ROOT

from l2s.config import read_entry, validate
from l2s.contracts.examples import EXAMPLES
from l2s.errors import UserError
from l2s.sources.examples import ExamplesEntry, load_examples

SETS = {
    "one": [{"question": "1+1? ", "answer": "It is\n2."}, {"question": "“2”+2?", "answer": "4\\"}],
    "two": [{"question": "3", "answer": "{answer}"}],
}
PINS = {
    "one": "c2564d8b117982d6cf02c34c2333d0c103d1c013f0cd05ec345f0d3a69b15c90",
    "two": "a4d6dd223b0ba3fc457505f2a2a9c42f1aef9bf373671edef530b2c9a3a0987a",
}


def python_file(sets):
    """The examples as toolkits have them: assignments inside a function, beside other code."""
    lines = ["import nothing_that_exists", "def get_examples():", "    examples = {}"]
    for name, rows in sets.items():
        pairs = [(row["question"], row["answer"]) for row in rows]
        lines.append(f"    examples[{name!r}] = {pairs!r}")
    lines += ["    examples['computed'] = load('other')", "    return examples", "raise SystemExit('was run')"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "demos.json").write_text(json.dumps(SETS), encoding="utf-8")
    (tmp_path / "demos.py").write_text(python_file(SETS), encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(files):
    """Serve the files on loopback, without logging."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(files))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def load(name="one", sets=None, **source):
    return load_examples(name, ExamplesEntry(**source, sets=sets or PINS), "demos.yaml")


@pytest.mark.parametrize("kind", ["json", "py"])
def test_json_and_python_from_file_and_address_give_the_same_pinned_texts(files, server, kind):
    for source in ({"path": str(files / f"demos.{kind}")}, {"url": f"{server}/demos.{kind}"}):
        for name, rows in SETS.items():
            table = load(name, **source)
            assert table.schema.equals(EXAMPLES)
            assert table.to_pylist() == [{"set": name, **row} for row in rows]


def test_set_that_is_not_the_pinned_one_is_refused_with_its_sha256(files):
    changed = {**SETS, "one": SETS["one"][:1]}
    (files / "demos.json").write_text(json.dumps(changed))
    with pytest.raises(UserError, match=rf"set 'one': the sha256 .* is [0-9a-f]{{64}}, key 'one' says {PINS['one']}"):
        load(path=str(files / "demos.json"))
    assert len(load("two", path=str(files / "demos.json"))) == 1


def test_set_without_sha256_is_loaded_with_a_warning_that_gives_the_line_to_paste(files, caplog):
    table = load(path=str(files / "demos.json"), sets={"one": None})
    assert len(table) == len(SETS["one"])
    (warning,) = caplog.messages
    assert "set 'one': UNPINNED" in warning and f"the line 'one: {PINS['one']}'" in warning


def test_address_that_does_not_answer_is_one_clear_line(server):
    with pytest.raises(UserError, match=r"demos.yaml \(http.*absent.json\): cannot be read \(.*404") as caught:
        load(url=f"{server}/absent.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("demos.json", "{", "line 1: not valid JSON"),
        ("demos.json", "[]", "must hold one object"),
        ("demos.json", '{"other": []}', "there is no set 'one'; the sets are other"),
        ("demos.json", '{"one": [{"question": "1"}]}', "set 'one', 1: not an example"),
        ("demos.json", '{"one": ["ab"]}', "set 'one', 1: not an example"),
        ("demos.py", "x = [", "line 1: not valid Python"),
        ("demos.py", "examples['one'] = make()", "there is no set 'one'"),
        ("demos.py", "examples['one'] = [('1', '2', '3')]", "set 'one', 1: not an example"),
    ],
)
def test_malformed_file_is_one_clear_line(files, name, text, message):
    (files / name).write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load(path=str(files / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "https://x/y.json"}, "give either 'path' or 'url'"),
        ({"path": "demos.txt"}, "must end in .json or .py, found 'demos.txt'"),
        ({"path": None, "url": "file:///etc/passwd.json"}, "key 'url'"),
        ({"sets": {"one": "abc"}}, "key 'sets.one'"),
        ({"sets": {}}, "key 'sets'"),
    ],
)
def test_wrong_entry_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        validate(ExamplesEntry, {"path": "demos.json", "sets": PINS, **changes}, "demos.yaml")


def test_shipped_entry_pins_the_toolkits_examples(real_data, tmp_path):
    sets = json.loads((real_data / "few_shot_demos.json").read_text())["demos"]
    (tmp_path / "examples.py").write_text(python_file(sets))
    shipped = read_entry(ROOT / "config" / "examples" / "qwen25-math.yaml", ExamplesEntry)
    counts = {name: len(load(name, shipped.sets, path=str(tmp_path / "examples.py"))) for name in shipped.sets}
    assert counts == {"gsm8k": 8, "math": 5, "minerva_math": 4}
