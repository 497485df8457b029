/* What views with a list share: the list, beside it what is chosen of it, and pages that are asked for one
   at a time. */

import { announce, button, empty, h, refill } from "./dom.js";

/** The two halves of a view, below `tools`. `name` is what the list lists. */
export function halves(root, name, tools) {
  const list = h("ul", { class: "list", "aria-label": name, "aria-busy": "true" });
  const foot = h("div", { class: "pager" });
  const left = h("section", { class: "left", "aria-label": `List of ${name}` }, list, foot);
  const right = h("section", { class: "right", "aria-label": "Details", tabindex: "-1" });
  const both = h("div", { class: "halves" }, left, right);
  root.replaceChildren(tools, both);
  return { list, foot, right, both };
}

/** Shows whether something is chosen: on a narrow screen it takes the list's place. */
export function choose(both, chosen) {
  both.classList.toggle("chosen", Boolean(chosen));
  for (const row of both.querySelectorAll(".list a")) {
    const here = row.dataset.key === chosen;
    if (here) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

/** A row of a list: a link with two lines. `right`: what stands at the end of each. */
export function row(key, href, title, marks, line, ends) {
  return h("li", {}, h("a", { href, "data-key": key },
    h("span", { class: "row-top" }, h("span", { class: "row-title" }, title), h("span", { class: "row-end" }, ends)),
    h("span", { class: "row-line" }, h("span", { class: "row-text" }, line), h("span", { class: "row-marks" }, marks))));
}

/** Pages of a list that is asked for by `start_key`: nothing but the page in sight is kept. */
export class Pages {
  /** `fetch(startKey)` gives an envelope; `show(item)` a row; `none` what is said where there is nothing. */
  constructor(view, { fetch, show, none, signal }) {
    Object.assign(this, { view, fetch, show, none, signal });
    this.starts = [""];
    this.next = null;
  }

  /** Show the first page. */
  first() {
    this.starts = [""];
    return this.load();
  }

  /** Show the page in sight as it is now. */
  async load({ quiet = false } = {}) {
    const { list } = this.view;
    const starts = this.starts;
    if (!quiet) list.setAttribute("aria-busy", "true");
    const envelope = await this.fetch(starts.at(-1));
    if (this.signal.aborted || starts !== this.starts) return;
    this.next = envelope.next_start_key ?? null;
    this.items = envelope.data;
    refill(list, this.items.length ? this.items.map((item) => this.show(item)) : h("li", {}, empty(...this.none())));
    list.setAttribute("aria-busy", "false");
    this.turns();
    this.onload?.();
    if (!quiet) announce(`${this.items.length} shown, page ${starts.length}${this.next ? ", there are more" : ""}`);
  }

  turns() {
    const page = this.starts.length;
    refill(this.view.foot,
      button("‹ Back", () => this.turn(-1), { disabled: page === 1, "data-key": "page-back", "aria-label": "Page before" }),
      h("span", { class: "page" }, page === 1 && !this.next ? `${this.items.length} shown` : `Page ${page}`),
      button("More ›", () => this.turn(1), { disabled: !this.next, "data-key": "page-next", "aria-label": "Next page" }));
  }

  /** The page before (-1) or after (1). */
  async turn(way) {
    if (way > 0 && this.next) this.starts = [...this.starts, this.next];
    else if (way < 0 && this.starts.length > 1) this.starts = this.starts.slice(0, -1);
    else return;
    await this.load();
    this.view.list.parentElement.scrollTo?.({ top: 0 });
    this.view.list.scrollTop = 0;
  }
}

/** The focus goes to the next (1) or previous (-1) row. */
export function step(way) {
  const rows = [...document.querySelectorAll(".list a")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const from = at >= 0 ? at : rows.findIndex((each) => each.hasAttribute("aria-current"));
  rows[Math.min(rows.length - 1, Math.max(0, from < 0 ? 0 : from + way))].focus();
}
