// Tables of class "sortable": a click on a column's heading sorts by it, a second click the other way.
// A cell's data-value is what it sorts by, a number or a text; without one, its text. Cells without a value come last.
// Rows of one <tbody> stay together: sorting orders the rows of each and leaves headings of groups (tr.group) on top.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      table.classList.add("sorted");
      for (const body of table.tBodies) sortRows(body, column, descending ? -1 : 1);
    });
  });
}

function sortRows(body, column, sign) {
  const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
  const keyed = rows.map((row) => ({ row, key: sortKey(row.cells[column]) }));
  keyed.sort((one, other) => {
    if (one.key === "" || other.key === "") return (one.key === "") - (other.key === "");
    if (typeof one.key === "number" && typeof other.key === "number") return sign * (one.key - other.key);
    return sign * String(one.key).localeCompare(String(other.key), "en", { numeric: true });
  });
  body.append(...keyed.map(({ row }) => row));
}

function sortKey(cell) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}
