// Buttons in .filters show only the rows of #numbers that have the same data-verdict; an empty one shows all.
"use strict";
const filters = document.querySelectorAll(".filters button");
for (const button of filters) {
  button.addEventListener("click", () => {
    for (const other of filters) other.setAttribute("aria-pressed", String(other === button));
    const wanted = button.dataset.verdict;
    for (const row of document.querySelectorAll("#numbers tbody tr")) {
      row.hidden = wanted !== "" && row.dataset.verdict !== wanted;
    }
  });
}
