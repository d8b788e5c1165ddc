// Text with marked parts. Everything a model wrote goes into text nodes, so that none of it becomes part of the page.
"use strict";

// Return an element with a class and a text.
function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// Return the places of reflection keywords: {start, end, kind, title}.
function keywordMarks(text, pattern) {
  const found = text.matchAll(new RegExp(pattern, "gi"));
  return [...found].map((match) => mark(match.index, match.index + match[0].length, "keyword", "reflection keyword"));
}

// Return the places of the answers that graders found, those at the same place as one.
function answerMarks(answers, graders) {
  const byPlace = new Map();
  answers.forEach(([, start, end], number) => {
    if (start === null || end === null || end <= start) return;
    const known = byPlace.get(`${start} ${end}`);
    if (known) known.title += `, ${graders[number]}`;
    else byPlace.set(`${start} ${end}`, mark(start, end, "answer", `answer found by ${graders[number]}`));
  });
  return [...byPlace.values()];
}

function mark(start, end, kind, title) {
  return { start, end, kind, title };
}

// Return nodes of the text with its marks; where marks overlap, a part belongs to all of them.
function markedText(text, marks) {
  const cuts = [...new Set([0, text.length, ...marks.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  const nodes = [];
  cuts.slice(1).forEach((end, number) => {
    const start = cuts[number];
    const over = marks.filter((one) => one.start <= start && one.end >= end);
    const part = text.slice(start, end);
    if (!over.length) return nodes.push(document.createTextNode(part));
    const node = element("mark", [...new Set(over.map(({ kind }) => kind))].join(" "), part);
    node.dataset.start = start;
    node.title = over.map(({ title }) => title).join("; ");
    return nodes.push(node);
  });
  return nodes;
}
