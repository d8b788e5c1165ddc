// The two responses to a question, side by side.
"use strict";
const OUTCOMES = {
  correct: ["✓", "correct", "good"],
  wrong: ["✗", "wrong", "bad"],
  no_answer: ["○", "no answer", "bad"],
  timeout: ["!", "timeout", "note"],
  error: ["!", "error", "note"],
};
const ENDS = {
  length: "cut by the budget",
  context_length: "cut by the context length",
  prompt_too_long: "prompt too long, nothing generated",
  unknown: "not known whether it was cut",
};

function part(name) {
  return document.querySelector(`#compared [data-part="${name}"]`);
}

// Return what a row is called beside others; the benchmark is left out where there is only one.
function shortNameOf(row) {
  const { benchmark, question_id: id } = row.question;
  const name = field.benchmark.options.length > 2 ? `${benchmark} ${id}` : id;
  return row.sample > 0 ? `${name}, sample ${row.sample}` : name;
}

function nameOf(row) {
  const { benchmark, question_id: id, level } = row.question;
  const sample = row.sample > 0 ? `, sample ${row.sample}` : "";
  return `${benchmark} ${id}${sample}${level === null ? "" : `, level ${level}`}`;
}

function outcomeMark(outcome) {
  const [symbol, words, kind] = OUTCOMES[outcome];
  const shown = element("span", kind, symbol);
  shown.setAttribute("role", "img");
  shown.setAttribute("aria-label", words);
  shown.title = words;
  return shown;
}

function change(row) {
  const [a, b] = [lengthOf("a", row), lengthOf("b", row)];
  if (a === 0) return "";
  const percent = Math.round((100 * (b - a)) / a);
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent)} %`;
}

function hideComparison() {
  document.getElementById("compared").hidden = true;
}

// Show a row and its two responses: {text, answers, points, stated}.
function compare(row, a, b) {
  part("name").textContent = nameOf(row);
  part("question").textContent = row.question.question;
  part("gold").textContent = row.question.gold;
  showSide("a", row, a);
  showSide("b", row, b);
  showPoints(a.points, new Set(b.stated));
  document.getElementById("compared").hidden = false;
}

function showSide(side, row, response) {
  const keywords = keywordMarks(response.text, study.keywords);
  const end = ENDS[numberOf("finish_reason", side, row)];
  part(`${side}-label`).textContent = study.labels[sides[side].name];
  const against = side === "b" && change(row) ? ` (${change(row)} against A)` : "";
  const facts = [
    fact("Length", `${lengthOf(side, row).toLocaleString("en")} tokens${against}`),
    fact("Reflection keywords", String(keywords.length)),
  ];
  if (end) facts.splice(1, 0, fact("End", end));
  const outcomes = outcomesOf(side, row);
  study.graders.forEach((grader, number) => {
    const found = answerOf(side, response.answers[number]);
    facts.push(fact(grader, outcomeMark(outcomes[number]), ` ${OUTCOMES[outcomes[number]][1]}`, ...found));
  });
  part(`${side}-facts`).replaceChildren(...facts.flat());
  const text = part(`${side}-text`);
  text.replaceChildren(...markedText(response.text, [...keywords, ...answerMarks(response.answers, study.graders)]));
  text.scrollTop = 0;
}

// Return the answer that a grader found, as a button that leads to its place in the text.
function answerOf(side, [answer, start]) {
  if (answer === null) return [];
  const button = element("button", "found", answer);
  button.type = "button";
  button.title = "show it in the text";
  button.addEventListener("click", () => {
    const text = part(`${side}-text`);
    const place = [...text.querySelectorAll(".answer")].find((one) => Number(one.dataset.start) >= start);
    if (place) text.scrollTop += place.getBoundingClientRect().top - text.getBoundingClientRect().top - text.clientHeight / 2;
  });
  return [": ", button];
}

function fact(name, ...values) {
  const value = element("dd", "");
  value.append(...values);
  return [element("dt", "", name), value];
}

function showPoints(points, stated) {
  const kept = points.filter((point) => stated.has(point));
  const lost = points.filter((point) => !stated.has(point));
  part("points").hidden = points.length === 0;
  part("no-points").hidden = points.length > 0;
  for (const [name, found] of Object.entries({ kept, lost })) {
    part(`${name}-count`).textContent = String(found.length);
    part(name).replaceChildren(...found.map((point) => element("li", "", point)));
  }
}
