/* Recordings: filters, a page of them, and the one that is chosen (recording.js). */

import { path, query } from "./api.js";
import { failed } from "./dialogs.js";
import { button, calmly, chip, choice, empty, field, h, refill } from "./dom.js";
import { length, tone, when, word } from "./format.js";
import { choose, halves, Pages, row } from "./frame.js";
import { RecordingPanel } from "./recording.js";

const STATES = ["READY", "RECORDING", "MASKED", "PAUSED", "FINISHING", "WAITING", "DISCARDED", "CANCELLED", "FAILED"];
const NAMES = ["text", "number", "created_from", "created_to", "owner_id", "flow_id", "state", "min_seconds", "max_seconds"];

/** Show the view. */
export function show(context, route) {
  let { id } = route;
  let wanted = asked(route.query);
  const { form, fill } = filters(context, (values) => context.go("", values));
  const view = halves(context.root, "recordings", form);
  const panel = new RecordingPanel(context, view.right, () => pages.load({ quiet: true }).catch(failed));
  const pages = new Pages(view, {
    signal: context.signal,
    fetch: (start_key) => context.api.get(path("accounts", context.account, "recordings")
      + query({ ...sent(wanted), page_size: 50, start_key }), { signal: context.signal }),
    show: (each) => recordingRow(each, context.href(each.id, wanted)),
    none: () => (Object.keys(wanted).length ? ["No recording fits", "Other filters may find some."] : ["There is no recording yet", "Each appears here as its call is recorded."]),
  });
  pages.onload = () => choose(view.both, id);
  const again = calmly(() => pages.load({ quiet: true }).catch(failed), 1000, context.signal);
  const open = () => {
    choose(view.both, id);
    if (id) panel.open(id);
    else { panel.close(); refill(view.right, empty("No recording is chosen", "Choose one to see and hear it.")); }
  };
  fill(wanted);
  pages.first().catch(failed);
  open();
  context.listen((event) => {
    if (event.event === "missed" || event.event.startsWith("recording")) again();
    if (event.event === "missed" || event.recording_id === id) panel.again();
  }, context.signal);
  return {
    update(next) {
      const before = JSON.stringify(wanted);
      ({ id } = next);
      wanted = asked(next.query);
      if (JSON.stringify(wanted) !== before) { fill(wanted); pages.first().catch(failed); }
      open();
    },
  };
}

/** The filters of an address. */
function asked(values) {
  return Object.fromEntries(NAMES.filter((name) => values[name]).map((name) => [name, values[name]]));
}

/** Filters as the API wants them: times of this place become instants. */
function sent(values) {
  const instants = {};
  for (const name of ["created_from", "created_to"]) {
    const date = values[name] ? new Date(values[name]) : null;
    if (date && !Number.isNaN(date.getTime())) instants[name] = date.toISOString();
  }
  return { ...values, ...instants };
}

function filters(context, apply) {
  const flows = h("datalist", { id: "flow-ids" });
  const text = (name, placeholder, more = {}) => h("input", { name, placeholder, autocomplete: "off", spellcheck: "false", ...more });
  const seconds = (name) => text(name, "s", { type: "number", min: 0, step: "any", class: "short" });
  const form = h("form", { class: "tools filters folded", role: "search", "aria-label": "Filter recordings", onsubmit: (event) => {
    event.preventDefault();
    apply(Object.fromEntries(new FormData(form)));
  }, onchange: () => form.requestSubmit() },
  field("Words", text("text", "any", { type: "search" })),
  field("Number", text("number", "+49…, *123", { type: "search" })),
  field("From", h("input", { type: "datetime-local", name: "created_from" })),
  field("To", h("input", { type: "datetime-local", name: "created_to" })),
  field("User", text("owner_id", "any")),
  field("Flow", text("flow_id", "any", { list: "flow-ids" })), flows,
  field("State", choice([["", "any"], ...STATES.map((each) => [each, word(each)])], "", { name: "state" })),
  field("At least", seconds("min_seconds")),
  field("At most", seconds("max_seconds")),
  button("More filters", (event) => {
    const folded = form.classList.toggle("folded");
    event.target.textContent = folded ? "More filters" : "Fewer filters";
    event.target.setAttribute("aria-expanded", String(!folded));
  }, { class: "unfold", "aria-expanded": "false" }),
  button("Clear", () => { form.reset(); apply({}); }, { class: "quiet" }));
  if (context.can("callflows:read")) {
    context.api.get(`${path("accounts", context.account, "callflows")}?page_size=200`, { signal: context.signal })
      .then(({ data }) => flows.replaceChildren(...data.map((each) => h("option", { value: each.id }, each.name ?? ""))), () => {});
  }
  const fill = (values) => { for (const name of NAMES) form.elements[name].value = values[name] ?? ""; };
  return { form, fill };
}

function recordingRow(each, href) {
  const marks = [
    each.held && chip("held", "warn"),
    each.media?.sealed && chip("sealed"),
    each.recovered && chip("recovered", "warn"),
    delivered(each),
    each.state !== "READY" && chip(word(each.state), tone(each.state)),
  ];
  return row(each.id, href, parties(each), marks,
    [when(each.started), each.callflow_id ? ` · ${each.callflow_id}` : "", each.label ? ` · ${each.label}` : ""], length(each.duration_ms / 1000));
}

function delivered(each) {
  const bad = each.deliveries.find((one) => one.state !== "DELIVERED");
  return bad ? chip(`delivery ${word(bad.state)}`, tone(bad.state)) : null;
}

/** Who called whom, as far as the recording's document says. */
export function parties(each) {
  const from = each.caller_id_number || each.from || "";
  const to = each.callee_id_number || each.to || "";
  const bare = (text) => String(text).split("@")[0];
  return from || to ? [bare(from) || "anonymous", h("span", { class: "to" }, " → "), bare(to)] : [each.name || each.id];
}
