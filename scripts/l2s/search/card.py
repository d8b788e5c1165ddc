"""The section of a model card that says how a search found the model."""

from l2s.search.verdict import Verdict, points

SECTION = """\
## How it was found

**{sentence}**, against the slow model, on {questions:,} questions that nothing was selected on.

{tried} merges were tried on other questions of the same benchmarks, in rounds of more and more questions; what was
shown to lose more than {allowed_loss:g} points was dropped. {cheaper}

| tried | questions | points lost | change in length | allowed loss |
|---|---|---|---|---|
{rows}
"""


def how_found(verdict: Verdict) -> str:
    """Return the section, as Markdown."""
    rows = (
        f"| {one.name} | {one.questions} | {points(one.loss)} | {one.length_change:+.1%} | {one.verdict} |"
        for one in verdict.tried
    )
    return SECTION.format(
        sentence=verdict.sentence,
        questions=verdict.questions,
        tried=len(verdict.tried),
        allowed_loss=verdict.allowed_loss,
        cheaper=f"Cheaper, and as good: {verdict.cheaper}." if verdict.cheaper else "Nothing cheaper does as well.",
        rows="\n".join(rows),
    )
