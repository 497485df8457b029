/* Live calls: the list, kept true by the stream; beside it the one that is chosen (call.js). */

import { path, query } from "./api.js";
import { CallPanel } from "./call.js";
import { failed } from "./dialogs.js";
import { calmly, chip, empty, h, refill } from "./dom.js";
import { length, when, word } from "./format.js";
import { choose, halves, Pages, row } from "./frame.js";

const WHICH = [["up", "Up now"], ["over", "Over"]];

/** Show the view; `update` of what is given back shows another call. */
export function show(context, route) {
  let { id } = route;
  let which = route.query.state === "over" ? "over" : "up";
  const tabs = h("div", { class: "tools" });
  const view = halves(context.root, "calls", tabs);
  const panel = new CallPanel(context, view.right);
  const pages = new Pages(view, {
    signal: context.signal,
    fetch: (start_key) => context.api.get(path("accounts", context.account, "calls")
      + query({ state: which, page_size: 50, start_key }), { signal: context.signal }),
    show: (call) => callRow(call, context.href(call.id, { state: which === "over" ? "over" : "" })),
    none: () => (which === "up" ? ["No call is up", "A call appears here as it comes in."] : ["No call has ended yet", "Calls stay here for an hour."]),
  });
  pages.onload = () => choose(view.both, id);
  const again = calmly(() => pages.load({ quiet: true }).catch(failed), 250, context.signal);

  const fillTabs = () => refill(tabs, h("div", { class: "segments", role: "group", "aria-label": "Which calls" },
    WHICH.map(([value, text]) => h("a", { href: context.href("", { state: value === "over" ? "over" : "" }),
      "aria-current": value === which ? "true" : null, "data-key": value }, text))));
  const open = () => {
    choose(view.both, id);
    if (id) panel.open(id);
    else { panel.close(); refill(view.right, empty("No call is chosen", "Choose one to see its way through the flow.")); }
  };

  fillTabs();
  pages.first().catch(failed);
  open();
  context.listen((event) => {
    if (event.event === "missed" || /^(call|step|recording)/.test(event.event)) again();
    if (event.event === "missed" || event.call_id === id) panel.again();
  }, context.signal);
  return {
    update(next) {
      const other = next.query.state === "over" ? "over" : "up";
      ({ id } = next);
      if (other !== which) { which = other; fillTabs(); pages.first().catch(failed); }
      open();
    },
  };
}

function callRow(call, href) {
  const up = call.state === "up";
  const end = up ? h("span", { "data-since": Date.now() - (call.seconds ?? 0) * 1000 }, length(call.seconds ?? 0)) : length(call.seconds ?? 0);
  const where = up ? [call.flow_name || call.flow_id, " · ", h("code", {}, call.module)] : [call.flow_name || call.flow_id, " · ", when(call.started)];
  const marks = up ? [call.bridged ? chip("bridged", "good") : call.answered ? chip("answered", "busy") : chip("ringing", "warn")] : chip(word(call.cause));
  return row(call.id, href, [call.from || "anonymous", h("span", { class: "to" }, " → "), call.to], marks, where, end);
}
