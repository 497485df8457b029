/* Questions, what is said in passing, and the list of keys: native dialogs, which keep the focus inside. */

import { announce, button, h } from "./dom.js";

/** Ask before something is done that cannot be undone. Gives true or false. */
export function confirm(question, { more = "", yes = "OK", danger = true } = {}) {
  return new Promise((answer) => {
    const title = h("h2", { id: "asked" }, question);
    const buttons = h("div", { class: "actions end" },
      button("Cancel", () => dialog.close(""), { autofocus: true }),
      button(yes, () => dialog.close("yes"), { class: danger ? "danger" : "primary" }));
    const dialog = open(title, [more && h("p", {}, more), buttons]);
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"));
  });
}

/** Ask for a line of text; null: it was not given. */
export function askFor(question, label, { more = "", yes = "OK", longest = 200 } = {}) {
  return new Promise((answer) => {
    const title = h("h2", { id: "asked" }, question);
    const input = h("input", { name: "answer", required: true, autofocus: true, maxlength: longest, autocomplete: "off" });
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); dialog.close("yes"); } },
      h("label", { class: "field" }, h("span", {}, label), input),
      h("div", { class: "actions end" }, button("Cancel", () => dialog.close("")), h("button", { class: "primary", type: "submit" }, yes)));
    const dialog = open(title, [more && h("p", {}, more), form]);
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes" ? input.value : null));
  });
}

const KEYS = [
  ["?", "This list"],
  ["1 … 5", "Calls, recordings, deliveries, callflows, settings"],
  ["/", "Search, or the first filter of the view"],
  ["j / k", "Next, previous in the list"],
  ["n / p", "Next page, page before"],
  ["Enter", "Open what has the focus"],
  ["Space", "In the waveform: play, or pause"],
  ["← / →", "In the waveform: 5 s back, forward; with Shift 1 s"],
  ["Home / End", "In the waveform: begin, end"],
  ["Ctrl+S", "In the editor: save"],
  ["F8", "In the editor: the next problem"],
  ["t", "Light, dark, as the system"],
];

/** The keys that do something. */
export function showKeys() {
  const title = h("h2", { id: "asked" }, "Keys");
  const rows = KEYS.map(([key, does]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, does)));
  const dialog = open(title, [
    h("table", { class: "keys" }, h("tbody", {}, rows)),
    h("div", { class: "actions end" }, button("Close", () => dialog.close(), { autofocus: true })),
  ]);
}

function open(title, content) {
  const dialog = h("dialog", { "aria-labelledby": "asked" }, title, content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Say that something was done. */
export function told(text) {
  announce(text);
  show(text, "good");
}

/** Say what went wrong; a request that was given up is nothing. */
export function failed(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  show(error.message || String(error), "bad");
}

function show(text, kind) {
  const toast = h("div", { class: `toast ${kind}` }, h("span", {}, text),
    button("×", () => toast.remove(), { "aria-label": "Dismiss", class: "quiet" }));
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), kind === "bad" ? 12000 : 4000);
}

/** Do something that a button asks for: the button rests meanwhile, a refusal is shown. */
export async function doing(target, work) {
  target.disabled = true;
  try {
    await work();
  } catch (error) {
    failed(error);
  } finally {
    target.disabled = false;
  }
}
