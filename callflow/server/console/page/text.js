/* A text to edit: line numbers, colours of JSON behind a plain textarea, marks where something is wrong. */

import { h, refill } from "./dom.js";

const LINE_PX = 20;
const MOST_COLOURED = 80000;
const TOKEN = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** The editor: `box` is the element. `oninput()` is called when the text changes by hand. */
export class Text {
  constructor(label, oninput) {
    this.numbers = h("div", { class: "numbers", "aria-hidden": "true" });
    this.marks = h("div", { class: "text-marks", "aria-hidden": "true" });
    this.colours = h("pre", { class: "colours", "aria-hidden": "true" });
    this.area = h("textarea", { "aria-label": label, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "data-key": "text" });
    this.box = h("div", { class: "text" }, h("div", { class: "gutter" }, this.numbers), h("div", { class: "sheet" }, this.marks, this.colours, this.area));
    this.area.addEventListener("input", () => { this.paint(); oninput(); });
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => this.onKey(event));
    this.lines = 0;
  }

  get value() {
    return this.area.value;
  }

  set value(text) {
    this.area.value = text;
    this.area.setSelectionRange(0, 0);
    this.area.scrollTop = 0;
    this.paint();
    this.show([]);
  }

  paint() {
    const text = this.value;
    const lines = text.split("\n").length;
    if (lines !== this.lines) {
      this.lines = lines;
      this.numbers.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n");
    }
    this.colours.replaceChildren(...(text.length > MOST_COLOURED ? [text] : coloured(text)), "\n");
    this.follow();
  }

  follow() {
    const { scrollLeft, scrollTop } = this.area;
    this.numbers.style.transform = `translateY(${-scrollTop}px)`;
    this.marks.style.transform = `translateY(${-scrollTop}px)`;
    this.colours.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
  }

  /** Mark the lines of these problems. */
  show(problems) {
    const worst = new Map();
    for (const { line, level } of problems) if (worst.get(line) !== "error") worst.set(line, level);
    refill(this.marks, [...worst].map(([line, level]) => {
      const mark = h("div", { class: level, "data-line": line });
      mark.style.top = `${(line - 1) * LINE_PX}px`;
      return mark;
    }));
  }

  /** The caret goes there, both counted from 1. */
  jump(line, column) {
    const before = this.value.split("\n").slice(0, line - 1).join("\n").length;
    this.select(before + (line > 1 ? 1 : 0) + column - 1);
  }

  /** The caret goes to a place in the text, and that comes into sight. */
  select(at) {
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(at, at);
    const line = this.value.slice(0, at).split("\n").length;
    this.area.scrollTop = Math.max(0, (line - 1) * LINE_PX - this.area.clientHeight / 3);
    this.area.scrollLeft = 0;
  }

  /** Enter keeps the indentation; one more after a bracket. Tab stays what it is: the way out. */
  onKey(event) {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey) return;
    const before = this.value.slice(0, this.area.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    const indent = /^[ \t]*/.exec(line)[0] + (/[{[]\s*$/.test(line) ? "  " : "");
    if (!indent) return;
    event.preventDefault();
    if (!document.execCommand("insertText", false, `\n${indent}`)) {
      this.area.setRangeText(`\n${indent}`, this.area.selectionStart, this.area.selectionEnd, "end");
      this.area.dispatchEvent(new Event("input"));
    }
  }
}

function coloured(text) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(TOKEN)) {
    if (found.index > last) parts.push(text.slice(last, found.index));
    const kind = found[1] ? (found[2] ? "name" : "string") : found[3] ? "number" : "word";
    parts.push(h("span", { class: kind }, found[1] ?? found[0]));
    if (found[2]) parts.push(found[2]);
    last = found.index + found[0].length;
  }
  parts.push(text.slice(last));
  return parts;
}

/** Where in a JSON text the value of a JSON pointer begins; -1: it has none. */
export function locate(text, pointer) {
  const wanted = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const space = /[\s,:]*/y;
  const token = /"(?:[^"\\]|\\.)*"|[^\s,:{}[\]"]+/y;
  let at = 0;
  const skip = () => { space.lastIndex = at; space.exec(text); at = space.lastIndex; };
  const take = () => { token.lastIndex = at; const found = token.exec(text); at = found ? token.lastIndex : text.length; return found?.[0] ?? ""; };
  const past = () => { // over one value
    let depth = 0;
    do {
      skip();
      if (at >= text.length) return;
      if ("{[".includes(text[at])) { depth += 1; at += 1; } else if ("}]".includes(text[at])) { depth -= 1; at += 1; } else take();
    } while (depth > 0);
  };
  for (const key of wanted) {
    skip();
    const list = text[at] === "[";
    if (text[at] !== "{" && !list) return -1;
    at += 1;
    for (let number = 0; ; number += 1) {
      skip();
      if (at >= text.length || "}]".includes(text[at])) return -1;
      if (list ? String(number) === key : named(take()) === key) break;
      past();
    }
    skip();
  }
  return at;
}

function named(token) {
  try {
    return JSON.parse(token);
  } catch {
    return null;
  }
}
