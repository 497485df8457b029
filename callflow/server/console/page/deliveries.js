/* Deliveries: what is on its way, every attempt of one, to send it again or not any more. */

import { path, query } from "./api.js";
import { confirm, doing, failed, told } from "./dialogs.js";
import { button, calmly, chip, choice, empty, facts, field, h, refill, section } from "./dom.js";
import { exactly, size, took, tone, when, word } from "./format.js";
import { choose, halves, Pages, row } from "./frame.js";

const STATES = ["QUEUED", "WAITING", "SENDING", "DELIVERED", "DEAD", "BLOCKED", "CANCELLED"];
const AGAIN = ["DEAD", "BLOCKED", "WAITING", "CANCELLED"];
const STOPPABLE = ["QUEUED", "WAITING", "DEAD", "BLOCKED"];
const NAMES = ["state", "host", "kind"];

/** Show the view. */
export function show(context, route) {
  let { id } = route;
  let wanted = asked(route.query);
  const form = filters(context, () => wanted, () => pages.load({ quiet: true }).catch(failed));
  const view = halves(context.root, "deliveries", form);
  const pages = new Pages(view, {
    signal: context.signal,
    fetch: (start_key) => context.api.get(path("accounts", context.account, "deliveries")
      + query({ ...wanted, page_size: 50, start_key }), { signal: context.signal }),
    show: (each) => row(each.id, context.href(each.id, wanted), fileOf(each.url), chip(word(each.state), tone(each.state)),
      [each.host || each.kind, " · ", each.attempts ? `${each.attempts} attempt${each.attempts > 1 ? "s" : ""}` : "not tried yet", each.last_error ? ` · ${each.last_error}` : ""], when(each.created)),
    none: () => (Object.keys(wanted).length ? ["No delivery fits", "Other filters may find some."] : ["Nothing was to be delivered yet", "Recordings with a url, and webhooks, appear here."]),
  });
  pages.onload = () => choose(view.both, id);
  const panel = calmly(() => load(context, view.right, id, panel), 60, context.signal);
  const again = calmly(() => pages.load({ quiet: true }).catch(failed), 500, context.signal);
  const fill = () => { for (const name of NAMES) form.elements[name].value = wanted[name] ?? ""; };
  const open = () => {
    choose(view.both, id);
    refill(view.right, id ? h("p", { class: "loading" }, "…") : empty("No delivery is chosen", "Choose one to see its attempts."));
    if (id) panel();
  };
  fill();
  pages.first().catch(failed);
  open();
  context.listen((event) => {
    if (event.event !== "missed" && !event.event.startsWith("delivery")) return;
    again();
    if (event.event === "missed" || event.delivery_id === id) panel();
  }, context.signal);
  return {
    update(next) {
      const before = JSON.stringify(wanted);
      wanted = asked(next.query);
      if (JSON.stringify(wanted) !== before) { fill(); pages.first().catch(failed); }
      if (next.id !== id) { ({ id } = next); open(); }
    },
  };
}

/** The last part of an address's path. */
function fileOf(url) {
  const parts = url.split(/[?#]/)[0].replace(/\/+$/, "").split("/");
  return parts.length > 3 ? parts.at(-1) : url;
}

function asked(values) {
  return Object.fromEntries(NAMES.filter((name) => values[name]).map((name) => [name, values[name]]));
}

function filters(context, wanted, changed) {
  const form = h("form", { class: "tools filters", role: "search", "aria-label": "Filter deliveries",
    onsubmit: (event) => { event.preventDefault(); context.go("", Object.fromEntries(new FormData(form))); },
    onchange: () => form.requestSubmit() },
  field("State", choice([["", "any"], ...STATES.map((each) => [each, word(each)])], "", { name: "state" })),
  field("Host", h("input", { name: "host", type: "search", placeholder: "any", autocomplete: "off", spellcheck: "false" })),
  field("Kind", h("input", { name: "kind", placeholder: "http, event …", autocomplete: "off", spellcheck: "false" })),
  button("Clear", () => { form.reset(); context.go(""); }, { class: "quiet" }),
  context.can("deliveries:write") && button("Retry all that fit …", (event) => retryAll(context, event.target, wanted(), changed), { class: "end" }));
  return form;
}

async function retryAll(context, target, wanted, changed) {
  const which = Object.entries(wanted).map(([name, value]) => `${name} ${word(value)}`).join(", ") || "every host";
  if (!(await confirm("Send again all that is dead, blocked or waiting?", { more: `Of: ${which}.`, yes: "Retry all", danger: false }))) return;
  await doing(target, async () => {
    const { data } = await context.api.ask("POST", `${path("accounts", context.account, "deliveries")}/retry`, { data: wanted });
    told(`${data.count} queued`);
    changed();
  });
}

async function load(context, box, id, again) {
  if (!id) return;
  try {
    const { data } = await context.api.get(path("accounts", context.account, "deliveries", id), { signal: context.signal });
    if (!context.signal.aborted) fillPanel(context, box, data, again);
  } catch (error) {
    if (error.status === 404) refill(box, empty("There is no such delivery", ""));
    else failed(error);
  }
}

function fillPanel(context, box, each, again) {
  const url = path("accounts", context.account, "deliveries", each.id);
  const change = (way, label) => async (event) => doing(event.target, async () => {
    await context.api.ask("POST", `${url}/${way}`);
    told(label);
    again();
  });
  const write = context.can("deliveries:write");
  refill(box, h("header", { class: "panel-head" },
    h("a", { class: "back", href: context.href("") }, "‹ Deliveries"),
    h("div", { class: "panel-title" }, h("h2", { class: "wrap" }, h("span", { class: "to" }, `${each.method.toUpperCase()} `), each.url)),
    h("p", { class: "marks" }, chip(word(each.state), tone(each.state)), each.last_error && h("span", { class: "soft" }, each.last_error)),
    h("div", { class: "actions" },
      write && AGAIN.includes(each.state) && (each.file_kept || each.kind === "event") && button("Retry now", change("retry", "Queued again"), { class: "primary", "data-key": "retry" }),
      write && STOPPABLE.includes(each.state) && button("Cancel", change("cancel", "Cancelled"), { class: "danger", "data-key": "cancel" }))),
  section("About", facts([
    ["Made", exactly(each.created)], ["Next attempt", exactly(each.next)], ["Over since", exactly(each.finished)],
    ["Kind", each.kind], ["Content", [each.content_type, size(each.bytes)].filter(Boolean).join(", ")],
    ["Recording", each.recording_id && context.can("recordings:read") ? h("a", { href: context.link("recordings", each.recording_id) }, each.recording_id) : each.recording_id],
    ["Id", h("code", {}, each.id)]])),
  section("Attempts", each.history.length ? attempts(each.history) : h("p", { class: "soft" }, "It was not tried yet.")),
  each.body ? section("Message", h("pre", { class: "body", tabindex: "0", role: "group", "aria-label": "Message" }, JSON.stringify(each.body, null, 2))) : null);
}

function attempts(history) {
  const heads = ["#", "At", "Took", "Outcome", "Status", "Address", "What was said"];
  return h("div", { class: "scroll", "data-scroll": "attempts", tabindex: "0", role: "group", "aria-label": "Attempts" },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, history.map((each) => h("tr", {},
        h("td", { class: "num" }, each.number), h("td", { class: "num", title: exactly(each.started) }, when(each.started)),
        h("td", { class: "num" }, took(each.seconds)), h("td", {}, chip(word(each.outcome), each.outcome === "success" ? "good" : "bad")),
        h("td", { class: "num" }, each.status || "–"), h("td", {}, h("code", {}, each.address || "–")),
        h("td", { class: "wrap" }, each.error || each.answer || ""))))));
}
