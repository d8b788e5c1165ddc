// The page of responses: which questions the list shows, and what is kept in the address.
"use strict";
const FILTERS = ["show", "order", "benchmark", "level"];
const BATCH = 200; // rows that a search looks at before the page is drawn again
const study = JSON.parse(document.getElementById("study").textContent);
const field = {};
for (const name of ["a", "b", "search", ...FILTERS]) field[name] = document.getElementById(name); // null: no levels
const statusLine = document.getElementById("status");
const list = new LongList(document.getElementById("list"), listRow, chosen);
const sides = {}; // the two checkpoints that are compared: {a: {name, shard}, b: {name, shard}}
let questions = []; // rows of the benchmarks' tables
let rows = []; // what both checkpoints answered: {question, sample, a, b}, a and b being rows of the shards
let turn = 0; // counts what the page was asked to do, so that what finishes late does nothing
const timers = { search: 0, address: 0 }; // run while somebody types, or goes from question to question

const SHOW = {
  all: () => true,
  a: (row) => isRight("a", row) && !isRight("b", row),
  b: (row) => isRight("b", row) && !isRight("a", row),
  neither: (row) => !isRight("a", row) && !isRight("b", row),
  truncated: (row) => ["a", "b"].some((side) => study.cut.includes(numberOf("finish_reason", side, row))),
  disagree: (row) => ["a", "b"].some((side) => gradersDisagree(outcomesOf(side, row))),
};

function numberOf(column, side, row) {
  return sides[side].shard.numbers[column][row[side]];
}

function lengthOf(side, row) {
  return numberOf(study.length, side, row);
}

function outcomesOf(side, row) {
  return study.graders.map((grader) => sides[side].shard.numbers.outcomes[grader][row[side]]);
}

function isRight(side, row) {
  return outcomesOf(side, row)[0] === "correct";
}

// As in the study's list of disagreements: one calls it right and another does not, or one failed.
function gradersDisagree(outcomes) {
  const right = outcomes.filter((outcome) => outcome === "correct").length;
  return (right > 0 && right < outcomes.length) || outcomes.some((outcome) => study.failures.includes(outcome));
}

// Load the two checkpoints that the fields name, and select a question: {benchmark, id, sample}.
async function load(wanted) {
  const mine = ++turn;
  statusLine.textContent = "Loading responses …";
  const loaded = {};
  for (const side of ["a", "b"]) {
    const name = field[side].value;
    const known = [...Object.values(sides), ...Object.values(loaded)].find((one) => one.name === name);
    loaded[side] = known ?? { name, shard: await Shard.load(study.scripts[name]) };
    if (mine !== turn) return;
  }
  const item = list.selected;
  Object.assign(sides, loaded);
  rows = joined(sides.a.shard.numbers, sides.b.shard.numbers);
  await filter(wanted ?? (item && placeOf(item)));
  if (wanted && !isAt(list.selected, wanted)) {
    statusLine.textContent = `The address names a question that is not here: ${wanted.id}. ${statusLine.textContent}`;
  }
}

// Return the rows in the order of the questions, then of samples.
function joined(ofA, ofB) {
  const order = new Map(questions.map((one, place) => [keyOf(one.benchmark, one.question_id), place]));
  const inB = new Map(ofB.sample.map((sample, b) => [keyOf(ofB.benchmark[b], ofB.question_id[b], sample), b]));
  const found = [];
  ofA.sample.forEach((sample, a) => {
    const place = order.get(keyOf(ofA.benchmark[a], ofA.question_id[a]));
    const b = inB.get(keyOf(ofA.benchmark[a], ofA.question_id[a], sample));
    if (place !== undefined && b !== undefined) found.push({ place, question: questions[place], sample, a, b });
  });
  return found.sort((one, other) => one.place - other.place || one.sample - other.sample);
}

function keyOf(...parts) {
  return JSON.stringify(parts);
}

function placeOf(row) {
  return { benchmark: row.question.benchmark, id: row.question.question_id, sample: row.sample };
}

function isAt(row, { benchmark, id, sample }) {
  return row?.question.question_id === id && row.question.benchmark === (benchmark ?? row.question.benchmark) && row.sample === sample;
}

// Show the rows that the fields ask for; selected is the one wanted, or the one that was.
async function filter(wanted) {
  const mine = ++turn;
  const level = field.level?.value ?? "";
  const kept = rows.filter(
    (row) =>
      SHOW[field.show.value](row) &&
      ["", row.question.benchmark].includes(field.benchmark.value) &&
      ["", String(row.question.level)].includes(level),
  );
  if (field.order.value === "saving") {
    const saving = (row) => lengthOf("a", row) - lengthOf("b", row);
    kept.sort((one, other) => saving(other) - saving(one));
  }
  const text = field.search.value.trim();
  if (text !== "") return search(kept, text, mine);
  list.show(kept, wanted ? kept.find((row) => isAt(row, wanted)) : list.selected);
  statusLine.textContent = counted(kept);
  return undefined;
}

function counted(found) {
  return `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} questions`;
}

// Look for a text in questions and responses, block by block; what is found is shown as it comes.
async function search(kept, text, mine) {
  const pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  const found = new Set();
  const inOrder = [...kept].sort((one, other) => one.a - other.a); // so that each block is opened once
  for (let place = 0; place < inOrder.length; place++) {
    if (await isIn(pattern, inOrder[place])) found.add(inOrder[place]);
    if (mine !== turn) return;
    if (place % BATCH === BATCH - 1) {
      showFound(kept, found);
      statusLine.textContent += `; looked at ${Math.floor((100 * place) / kept.length)} %`;
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  showFound(kept, found);
}

async function isIn(pattern, row) {
  if (pattern.test(row.question.question)) return true;
  for (const side of ["a", "b"]) {
    if (pattern.test((await sides[side].shard.response(row[side])).text)) return true;
  }
  return false;
}

function showFound(kept, found) {
  const items = kept.filter((row) => found.has(row));
  list.show(items, list.selected);
  statusLine.textContent = counted(items);
}

function listRow(row) {
  const numbers = element("div", "numbers");
  numbers.append(element("span", "id", shortNameOf(row)));
  for (const side of ["a", "b"]) {
    const shown = element("span", "", `${side.toUpperCase()} `);
    shown.append(outcomeMark(outcomesOf(side, row)[0]), ` ${lengthOf(side, row).toLocaleString("en")}`);
    numbers.append(shown);
  }
  numbers.append(element("span", "change", change(row)));
  return [element("div", "start", row.question.question.slice(0, 200)), numbers];
}

function chosen(row) {
  if (row === undefined) {
    hideComparison();
    return;
  }
  const { benchmark, id, sample } = placeOf(row);
  const address = new URLSearchParams({ a: sides.a.name, b: sides.b.name, benchmark, question: id });
  if (sample > 0) address.set("sample", sample);
  // Browsers allow a page few changes of its address in a second.
  clearTimeout(timers.address);
  timers.address = setTimeout(() => history.replaceState(null, "", `#${address}`), 250);
  const both = ["a", "b"].map((side) => sides[side].shard.response(row[side]));
  run(Promise.all(both).then(([a, b]) => row === list.selected && compare(row, a, b)));
}

// Show what the address asks for: two checkpoints, and a question to begin with.
function follow() {
  const { a, b, benchmark, question, sample } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  field.a.value = a in study.scripts ? a : study.first;
  field.b.value = b in study.scripts ? b : study.second;
  for (const name of FILTERS) if (field[name]) field[name].selectedIndex = 0;
  field.search.value = "";
  run(load(question && { benchmark, id: question, sample: Number(sample ?? 0) }));
}

function run(promise) {
  promise.catch((error) => {
    statusLine.textContent = error.message;
  });
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inList = event.target === list.box || event.target === document.body;
  const inField = event.target.closest("input, select");
  const step = event.key === "Escape" ? toList : inField ? undefined : KEYS[event.key] ?? (inList && ARROWS[event.key]);
  if (!step) return;
  event.preventDefault();
  step();
}

const toList = () => list.box.focus({ preventScroll: true });
const toSearch = () => {
  field.search.focus();
  field.search.select();
};
const KEYS = { j: () => list.move(1), k: () => list.move(-1), "/": toSearch };
const ARROWS = {
  ArrowDown: () => list.move(1),
  ArrowUp: () => list.move(-1),
  PageDown: () => list.move(list.page()),
  PageUp: () => list.move(-list.page()),
  Home: () => list.move(-Infinity),
  End: () => list.move(Infinity),
};

for (const name of FILTERS) field[name]?.addEventListener("change", () => run(filter()));
for (const side of ["a", "b"]) field[side].addEventListener("change", () => run(load()));
field.search.addEventListener("input", () => {
  clearTimeout(timers.search);
  timers.search = setTimeout(() => run(filter()), 250);
});
document.getElementById("swap").addEventListener("click", () => {
  [field.a.value, field.b.value] = [field.b.value, field.a.value];
  run(load());
});
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", pressed);
window.addEventListener("hashchange", follow);
run(
  unpacked(study.questions).then((found) => {
    questions = found;
    toList();
    follow();
  }),
);
