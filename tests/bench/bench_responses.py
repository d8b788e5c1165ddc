"""Measure the page of responses at the size of the paper: 6,000 questions, two checkpoints, 3,000 tokens a response.

``make bench`` calls it; alone, with a Chromium on the PATH:

    python tests/bench/bench_responses.py
"""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Page, sync_playwright
from response_pages import answer, plant, question

BENCHMARKS = {"gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675, "college_math": 2818, "o": 416}
CHECKPOINTS = ("models/slow", "pair/ties/scale=1~1a2b3c4d")
TOKENS = 3000
OPTIONS = ["--no-sandbox", "--enable-precise-memory-info"]
# Seconds from a step to what it leads to, and the longest time in which the page could not have answered.
TIMED = """async ([step, wanted]) => {
  let longest = 0, last = performance.now(), start = last, going = true;
  const watch = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (going) setTimeout(watch);
  };
  watch();
  Function(step)();
  while (!Function(`return ${wanted}`)()) await new Promise((resolve) => setTimeout(resolve, 5));
  going = false;
  return [(performance.now() - start) / 1000, longest / 1000];
}"""
PRESS = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'KEY', bubbles: true}))"

SET = "const one = document.getElementById('{}'); one.value = '{}'; one.dispatchEvent(new Event('{}'))"


class Words:
    """Text that compresses like a model's: words by their frequency, with formulas and keywords between them."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        self.words = ["".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(800)]
        self.weights = [1 / (rank + 1) for rank in range(len(self.words))]

    def text(self, tokens: int) -> str:
        """Return text of about so many tokens, of three to four characters each."""
        parts = self.draw.choices(self.words, self.weights, k=tokens // 2)
        for place in range(0, len(parts), 12):
            a, b = self.draw.randint(2, 99), self.draw.randint(2, 99)
            parts[place] = f"So $x = {a} \\cdot {b} = {a * b}$.\n"
        for place in range(5, len(parts), 160):
            parts[place] = "\n\nWait, let me double-check that."
        return " ".join(parts)


def response(asked: dict[str, Any], words: Words) -> tuple[dict, list[dict]]:
    """Return a response of half to one and a half times TOKENS tokens, a quarter of them behind its thinking."""
    tokens = words.draw.randint(TOKENS // 2, 3 * TOKENS // 2)
    right = words.draw.random() < 0.7
    found = asked["gold"] if right else "-1"
    text = f"{words.text(3 * tokens // 4)}\n</think>\n\n{words.text(tokens // 4)}\n\\boxed{{{found}}}"
    return answer(asked, text, ("correct" if right else "wrong",) * 2, tokens, found=found)


def measure(page: Page, what: str, step: str, wanted: str) -> None:
    """Print how long a step takes until a condition of the page holds."""
    took, longest = page.evaluate(TIMED, [step, wanted])
    print(f"{what}: {took:.2f} s; the page was busy for at most {longest:.2f} s at a time")


def main() -> None:
    """Print the sizes of the files and the times of the page."""
    words = Words(random.Random(0))
    numbers = [(name, number) for name, count in BENCHMARKS.items() for number in range(count)]
    asked = [question(number, words.text(80), name, 1 + number % 5, str(number)) for name, number in numbers]
    answers = {name: [response(one, words) for one in asked] for name in CHECKPOINTS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = time.process_time()
        file = plant(Path(folder), asked, answers)
        print(f"written in {time.process_time() - start:.0f} CPU seconds, with the Parquet files")
        characters = sum(len(text["text"]) for given in answers.values() for text, _ in given) / 1e6
        shards = [path.stat().st_size / 1e6 for path in Path(folder).rglob("*.js")]
        print(f"page {file.stat().st_size / 1e6:.1f} MB; {characters:.0f} million characters in {shards} MB")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("#compared:not([hidden])")
        print(f"opened until two responses stand side by side: {time.perf_counter() - start:.2f} s")
        shown = "document.querySelector('[data-part=name]').textContent"
        measure(page, "next question", PRESS.replace("KEY", "j"), f"{shown}.startsWith('gsm8k 1,')")
        measure(page, "last question", PRESS.replace("KEY", "End"), f"{shown}.startsWith('o 415')")
        status = "document.getElementById('status').textContent"
        measure(page, "filter", SET.format("show", "a", "change"), f"!{status}.startsWith('6,000')")
        page.locator("#show").select_option("all")
        wanted = f"{status} < '6' && !{status}.includes('looked')"
        measure(page, "search through all texts", SET.format("search", r"\\boxed{15", "input"), wanted)
        print(page.locator("#status").text_content())
        memory = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        print(f"memory of the page's JavaScript: {memory:.0f} MB")
        browser.close()


if __name__ == "__main__":
    main()
