// A long list of which only the rows in sight are in the document: a listbox, whose rows are options.
"use strict";
const BEYOND = 5; // rows above and below those in sight

class LongList {
  // render(item) returns what stands in a row; chosen(item) is told when another item is selected, undefined if none is.
  constructor(box, render, chosen) {
    Object.assign(this, { box, render, chosen, items: [], place: -1 });
    this.space = box.appendChild(document.createElement("div"));
    this.space.className = "space";
    this.space.role = "presentation";
    this.rowHeight = parseFloat(getComputedStyle(box).getPropertyValue("--row"));
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.select(Number(row.dataset.place));
    });
  }

  get selected() {
    return this.items[this.place];
  }

  // Show other items, of which this one is selected; if it is not among them, the first.
  show(items, item) {
    const before = this.selected;
    this.items = items;
    this.place = items.length ? Math.max(0, items.indexOf(item)) : -1;
    this.space.style.height = `${items.length * this.rowHeight}px`;
    if (this.selected !== before) this.intoSight();
    this.draw();
    if (this.selected !== before) this.chosen(this.selected);
  }

  move(step) {
    if (this.items.length) this.select(Math.max(0, Math.min(this.place + step, this.items.length - 1)));
  }

  page() {
    return Math.max(1, Math.floor(this.box.clientHeight / this.rowHeight) - 1);
  }

  select(place) {
    if (place === this.place) return;
    this.place = place;
    this.intoSight();
    this.draw();
    this.chosen(this.selected);
  }

  intoSight() {
    const top = this.place * this.rowHeight;
    const lowest = top + this.rowHeight - this.box.clientHeight;
    this.box.scrollTop = Math.max(lowest, Math.min(top, this.box.scrollTop));
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.rowHeight) - BEYOND);
    const inSight = Math.ceil(this.box.clientHeight / this.rowHeight) + 2 * BEYOND;
    const last = Math.min(this.items.length, first + inSight);
    const rows = [];
    for (let place = first; place < last; place++) rows.push(this.row(place));
    this.space.replaceChildren(...rows);
    if (this.place >= first && this.place < last) this.box.setAttribute("aria-activedescendant", `row-${this.place}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(place) {
    const row = document.createElement("div");
    row.id = `row-${place}`;
    row.dataset.place = place;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", place === this.place);
    row.setAttribute("aria-posinset", place + 1);
    row.setAttribute("aria-setsize", this.items.length);
    row.style.top = `${place * this.rowHeight}px`;
    row.append(...this.render(this.items[place]));
    return row;
  }
}
