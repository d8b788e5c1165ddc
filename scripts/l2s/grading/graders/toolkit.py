"""The rules of the Qwen2.5-Math evaluation toolkit, which the paper used.

https://github.com/QwenLM/Qwen2.5-Math, evaluation/ at commit a45202b; written anew from a description of what it does.
A number of the paper can only be compared with one by these rules, faults included. Every quirk below is kept on
purpose and has a case in ``tests/golden/toolkit_quirks.jsonl``:

- The last "boxed" counts even as a plain word behind the answer, and inside thinking that was cut off.
- Without a box, all that follows "the answer is" is the answer: "18 dollars in total." is not 18.
- A number is right within 1e-4 of the gold answer, or of a hundredth or a hundred times it.
- Units that stand alone go, so do letters that look like units: "3 m" is 3, and \\sqrt{c} equals \\sqrt{a}.
- \\pm between blanks loses its pm.
- A number word makes the whole answer a number: "two thirds" is 2.
- The ends of intervals are ignored: (2,\\infty) equals [2,\\infty).
- Relations are not told apart: x < 2 equals x >= 2.
- The order of lists and tuples counts, for sets it does not.
- Of a list without brackets only the first element is compared.
- Parentheses and braces do not count: 2x+1 equals 2(x+1), and x^{2}y equals x^{2y}.
- 4.5e33 as a gold answer is no number unless the response spells it so too: 4.5 × 10^33 is wrong.
- A mixed number is a product: 2\\frac{1}{2} is 1.
- π, e and i are letters: (3, 1.5708) is not (3, \\frac{\\pi}{2}).
- Letters multiply: "on" equals "no".
- Of several right answers only the first of the benchmark's list counts. The pinned OlympiadBench has them all in one.
- "x=", "y=", "z=" go wherever they stand: 2x+3y=6 is 2x+36.
- \\text{red} in the middle of an answer that ends with a brace cuts it off there.
- \\text{east} is empty, because east counts as a unit; so does west, and one is as right as the other.
- College Math's gold answer "\\$ 5" is "\\ 5", which only itself equals (12 of its answers cannot be reached).

Where verdicts are known to differ from the toolkit's:

- DEVIATES: answers are never run as Python (see ``toolkit_rules/symbolic.py``). Of the 420 pairs that the description
  rests on this concerns four sets in braces, which are compared as sets of parsed elements.
- DEVIATES: \\sqrt2 without braces, which normalisation never leaves, stops sympy's parser: 2\\sqrt2 is 2.
- DEVIATES: a comparison that takes longer than the limit is a timeout of its own and not a wrong answer. Both count
  as not correct. The limit is longer than the toolkit's 3 s, so that a busy machine costs no right answer.
- DEVIATES: the toolkit ends a response at "\\n\\nQuestion:" for few-shot prompts; here decoding has done so.
- DEVIATES: gold answers come without dollar signs. Two differ by that from the toolkit's, both whole sentences
  (OlympiadBench 1965, College Math 2407).
"""

from l2s.grading.contract import Comparison, Found
from l2s.grading.toolkit_rules.equality import answers_equal
from l2s.grading.toolkit_rules.extraction import find_answer, read_gold_answer


def read_gold(gold: str, benchmark: str) -> str:
    """Return the right answer as the toolkit normalises it."""
    return read_gold_answer(gold, benchmark)


def find(text: str, gold: str, benchmark: str) -> Found | None:
    """Return the answer that the toolkit finds in a response, normalised; None if there is none."""
    found = find_answer(text, gold, benchmark)
    return found if found and (found.answer or not gold) else None


def compare(answer: str, gold: str) -> Comparison:
    """Return whether the toolkit calls a normalised answer right."""
    return Comparison(answers_equal(answer, gold), gold)
