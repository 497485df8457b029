/* Callflows: the list, and an editor that says while one types what is wrong, and draws the flow. What was
   not saved is kept until the page is left. */

import { path, query } from "./api.js";
import { confirm, doing, failed, told } from "./dialogs.js";
import { announce, button, calmly, chip, empty, field, h, refill, section } from "./dom.js";
import { choose, halves, Pages, row } from "./frame.js";
import { picture } from "./picture.js";
import { locate, Text } from "./text.js";

const FRESH = `{
  "name": "New flow",
  "numbers": ["2000"],
  "flow": {
    "module": "answer",
    "data": {},
    "children": {
      "_": {
        "module": "record_call",
        "data": {"action": "start", "format": "mp3"},
        "children": {}
      }
    }
  }
}
`;
const drafts = new Map();

addEventListener("beforeunload", (event) => { if (drafts.size) event.preventDefault(); });

/** Show the view. */
export function show(context, route) {
  let { id } = route;
  let wanted = asked(route.query);
  const form = h("form", { class: "tools filters", role: "search", "aria-label": "Filter callflows",
    onsubmit: (event) => { event.preventDefault(); context.go("", Object.fromEntries(new FormData(form))); }, onchange: () => form.requestSubmit() },
  field("Answers number", h("input", { name: "number", type: "search", placeholder: "+49…", autocomplete: "off" })),
  field("Has module", h("input", { name: "module", type: "search", placeholder: "record_call", autocomplete: "off", spellcheck: "false" })),
  context.can("callflows:write") && button("New flow", () => context.go("", { new: "1" }), { class: "end" }));
  const view = halves(context.root, "callflows", form);
  const pages = new Pages(view, {
    signal: context.signal,
    fetch: (start_key) => context.api.get(path("accounts", context.account, "callflows") + query({ ...wanted, page_size: 50, start_key }), { signal: context.signal }),
    show: (each) => row(each.id, context.href(each.id, wanted), each.name || each.id, drafts.has(key(context, each.id)) && chip("not saved", "warn"),
      each.modules.join(" → "), [...each.numbers, ...each.patterns].join(", ")),
    none: () => (Object.keys(wanted).length ? ["No callflow fits", ""] : ["There is no callflow yet", "New flow makes one."]),
  });
  pages.onload = () => choose(view.both, id);
  const editor = new Editor(context, view.right, () => pages.load({ quiet: true }).catch(failed));
  const open = (fresh) => {
    choose(view.both, id || fresh);
    if (id || fresh) editor.open(id);
    else { editor.close(); refill(view.right, empty("No callflow is chosen", "Choose one to read and change it.")); }
  };
  const fill = () => { for (const name of ["number", "module"]) form.elements[name].value = wanted[name] ?? ""; };
  fill();
  pages.first().catch(failed);
  open(route.query.new);
  return {
    update(next) {
      const before = JSON.stringify(wanted);
      ({ id } = next);
      wanted = asked(next.query);
      if (JSON.stringify(wanted) !== before) { fill(); pages.first().catch(failed); }
      open(next.query.new);
    },
  };
}

function asked(values) {
  return Object.fromEntries(["number", "module"].filter((name) => values[name]).map((name) => [name, values[name]]));
}

function key(context, id) {
  return `${context.account} ${id}`;
}

/** The editor of one flow. */
class Editor {
  constructor(context, box, changed) {
    Object.assign(this, { context, box, changed, id: null, revision: "", saved: "", problems: [], at: -1 });
    this.text = new Text("The callflow as JSON", () => this.onInput());
    this.title = h("h2", {});
    this.state = h("p", { class: "marks", role: "status" });
    this.conflict = h("div", {});
    this.list = h("ol", { class: "problems", "aria-label": "Problems" });
    this.drawing = h("div", { class: "drawing" });
    this.saving = button("Save", () => this.save(), { class: "primary", "data-key": "save", title: "Ctrl+S" });
    this.reverting = button("Revert", () => this.revert(), { "data-key": "revert" });
    this.deleting = button("Delete …", () => this.remove(), { class: "danger", "data-key": "delete" });
    this.judging = calmly(() => this.judge(), 250, context.signal);
    context.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  close() {
    this.id = null;
  }

  get url() {
    return path("accounts", this.context.account, "callflows", ...(this.id ? [this.id] : []));
  }

  async open(id) {
    if (id === this.id) return;
    this.id = id;
    const write = this.context.can("callflows:write");
    this.title.textContent = id || "New flow";
    refill(this.conflict);
    refill(this.drawing);
    refill(this.list);
    this.shown = "";
    refill(this.box, h("header", { class: "panel-head" },
      h("a", { class: "back", href: this.context.href("") }, "‹ Callflows"),
      h("div", { class: "panel-title" }, this.title), this.state,
      write && h("div", { class: "actions" }, this.saving, this.reverting, id ? this.deleting : null)),
    this.conflict, h("div", { class: "editor" }, section("Document", this.text.box),
      h("div", { class: "editor-side" }, section("Drawing", this.drawing), section("Problems", this.list))));
    this.text.area.readOnly = !write;
    const draft = drafts.get(key(this.context, id));
    try {
      const [saved, revision] = id ? await this.read() : [FRESH, ""];
      if (this.id !== id) return;
      this.saved = saved;
      this.revision = draft?.revision ?? revision;
      this.text.value = draft?.text ?? saved;
      this.changedNow();
      this.judging();
    } catch (error) {
      if (this.id === id && error.status === 404) refill(this.box, empty("There is no such callflow", ""));
      else failed(error);
    }
  }

  async read() {
    const response = await this.context.api.send("GET", this.url, { headers: { Accept: "text/plain" }, signal: this.context.signal });
    return [await response.text(), (response.headers.get("ETag") ?? "").replaceAll('"', "").replace("W/", "")];
  }

  onInput() {
    this.changedNow();
    this.judging();
  }

  changedNow() {
    const { value } = this.text;
    const dirty = value !== this.saved || !this.id;
    const draft = key(this.context, this.id);
    if (value !== this.saved) drafts.set(draft, { text: value, revision: this.revision });
    else drafts.delete(draft);
    this.saving.disabled = !dirty;
    this.reverting.disabled = value === this.saved;
  }

  // ---- judging -----------------------------------------------------------------------------

  async judge() {
    const { id, text: { value } } = this;
    if (id === null) return;
    const { api, account, signal } = this.context;
    const base = path("accounts", account, "callflows");
    try {
      const { data } = await api.ask("POST", `${base}/validate${query({ id })}`, { text: value, signal });
      if (value !== this.text.value || id !== this.id) return;
      this.tell(data);
      await this.draw(await api.text("POST", `${base}/draw${query({ id, problems: "false" })}`, { text: value, signal }), value);
    } catch (error) {
      if (error.status === 400) this.drawing.classList.add("stale");
      else failed(error);
    }
  }

  tell(data) {
    this.problems = data.problems;
    this.text.show(data.problems);
    const many = (count, name) => (count ? `${count} ${name}${count > 1 ? "s" : ""}` : "");
    const said = [many(data.errors, "error"), many(data.warnings, "warning")].filter(Boolean).join(", ") || "no problem";
    refill(this.state, chip(said, data.errors ? "bad" : data.warnings ? "warn" : "good"),
      this.id && this.text.value === this.saved && h("span", { class: "soft" }, "saved"));
    const shown = JSON.stringify(data.problems);
    if (shown === this.shown) return; // what somebody is about to click stays what it is
    this.shown = shown;
    announce(said);
    refill(this.list, data.problems.length ? data.problems.map((each) => h("li", { class: each.level },
      h("button", { type: "button", onclick: () => this.text.jump(each.line, each.column) },
        h("span", { class: "num place" }, `${each.line}:${each.column}`),
        h("span", {}, h("span", { class: "message" }, each.message), each.hint ? h("span", { class: "soft" }, each.hint) : null, h("code", { class: "soft" }, each.code)))))
      : h("li", { class: "soft none" }, "None."));
  }

  async draw(svg, value) {
    if (value !== this.text.value) return;
    const root = /^\s*\{\s*"module"/.test(value) ? "" : "/flow";
    const figure = picture(svg, `Drawing of ${this.id || "the new flow"}`, { onnode: (pointer) => {
      const at = locate(this.text.value, root + pointer);
      if (at >= 0) this.text.select(at);
    } });
    this.drawing.classList.remove("stale");
    refill(this.drawing, figure);
  }

  // ---- saving ------------------------------------------------------------------------------

  async save({ over = false } = {}) {
    if (this.id === null || this.saving.disabled) return;
    await doing(this.saving, async () => {
      const { api } = this.context;
      const fresh = !this.id;
      const text = this.text.value;
      const headers = fresh ? {} : { "If-Match": over ? "*" : `"${this.revision}"` };
      let answer;
      try {
        answer = await api.ask(fresh ? "PUT" : "POST", this.url, { text, headers });
      } catch (error) {
        if (error.status === 412) return this.tellConflict();
        throw error;
      }
      drafts.delete(key(this.context, this.id));
      refill(this.conflict);
      told("Saved, and in force");
      this.changed();
      if (fresh) {
        this.saved = text;
        return this.context.go(answer.data.id);
      }
      const [saved, revision] = await this.read();
      Object.assign(this, { saved, revision });
      if (this.text.value === text) {
        if (saved !== text) this.text.value = saved;
        this.judging();
      }
      return undefined;
    });
    this.changedNow();
  }

  tellConflict() {
    announce("It was changed by somebody else");
    refill(this.conflict, h("div", { class: "conflict", role: "alert" },
      h("p", {}, h("strong", {}, "It was changed by somebody else"), " since you opened it, so nothing was saved."),
      h("div", { class: "actions" },
        button("Take theirs", () => { drafts.delete(key(this.context, this.id)); this.reopen(); }),
        button("Save mine over it", () => this.save({ over: true }), { class: "danger" }))));
  }

  reopen() {
    const { id } = this;
    this.id = null;
    this.open(id).catch(failed);
  }

  async revert() {
    if (!(await confirm("Take back all changes?", { yes: "Revert" }))) return;
    drafts.delete(key(this.context, this.id));
    this.reopen();
  }

  async remove() {
    if (!(await confirm(`Delete the callflow ${this.id}?`, { more: "Calls to its numbers find it no more.", yes: "Delete" }))) return;
    await doing(this.deleting, async () => {
      await this.context.api.ask("DELETE", this.url, { headers: { "If-Match": `"${this.revision}"` } });
      drafts.delete(key(this.context, this.id));
      told("The callflow was deleted");
      this.changed();
      this.context.go("");
    });
  }

  onKey(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      this.save();
    } else if (event.key === "F8" && this.problems.length) {
      event.preventDefault();
      this.at = (this.at + 1) % this.problems.length;
      const each = this.problems[this.at];
      this.text.jump(each.line, each.column);
      announce(`${each.level}, line ${each.line}: ${each.message}`);
    }
  }
}
