/* One call: its way on the drawing of its flow, its steps with their times, what is recorded of it; hangs it
   up, records, masks. */

import { path } from "./api.js";
import { confirm, doing, failed, told } from "./dialogs.js";
import { button, calmly, chip, empty, facts, h, refill, section } from "./dom.js";
import { exactly, length, took, tone, word } from "./format.js";
import { picture, showNow } from "./picture.js";

const TO_MASK = { RECORDING: ["mask", "Mask"], MASKED: ["unmask", "Unmask"] };
const TO_PAUSE = { RECORDING: ["pause", "Pause"], PAUSED: ["resume", "Resume"] };
const DONE = { start: "Recording", stop: "Stopped", mask: "Masked", unmask: "Unmasked", pause: "Paused", resume: "Resumed" };

/** The panel beside the list. */
export class CallPanel {
  constructor(context, box) {
    Object.assign(this, { context, box, id: "", drawn: null, shownPath: "" });
    this.again = calmly(() => this.load(), 60, context.signal);
  }

  open(id) {
    if (id === this.id) return;
    Object.assign(this, { id, drawn: null, shownPath: "" });
    refill(this.box, h("p", { class: "loading" }, "…"));
    this.again();
  }

  close() {
    this.id = "";
  }

  get url() {
    return path("accounts", this.context.account, "calls", this.id);
  }

  async load() {
    const { id, context } = this;
    if (!id) return;
    try {
      const { signal } = context;
      const [{ data: call }, drawing] = await Promise.all([
        context.api.get(this.url, { signal }),
        context.api.text("GET", `${this.url}/draw`, { signal }).catch((error) => {
          if (error.name === "AbortError") throw error;
          return "";
        }),
      ]);
      if (id === this.id && !signal.aborted) this.show(call, drawing);
    } catch (error) {
      if (error.status !== 404) return void failed(error);
      if (id === this.id) refill(this.box, empty("This call is not known", "Calls that are over stay for an hour."));
    }
  }

  show(call, drawing) {
    const up = call.state === "up";
    let figure = null;
    if (drawing) {
      try {
        figure = picture(drawing, `The flow ${call.flow_name || call.flow_id} with the way of the call`);
      } catch (error) { failed(error); }
    }
    refill(this.box, this.heading(call, up), h("div", { class: "call-body" },
      h("div", { class: "call-flow" }, figure ? section("Flow", figure) : null),
      h("div", { class: "call-facts" }, this.recordings(call, up), steps(call), legs(call), notices(call))));
    if (figure && this.shownPath !== call.path) {
      this.shownPath = call.path;
      showNow(figure);
    }
  }

  heading(call, up) {
    const { context } = this;
    const write = up && context.can("calls:write");
    const clock = up ? h("span", { "data-since": Date.now() - (call.seconds ?? 0) * 1000 }, length(call.seconds ?? 0)) : length(call.seconds ?? 0);
    return h("header", { class: "panel-head" },
      h("a", { class: "back", href: context.href("") }, "‹ Calls"),
      h("div", { class: "panel-title" },
        h("h2", {}, call.from || "anonymous", h("span", { class: "to" }, " → "), call.to),
        h("div", { class: "clock" }, clock)),
      facts([["Flow", call.flow_name || call.flow_id], ["Since", exactly(call.started)],
        ["State", up ? (call.bridged ? "bridged" : call.answered ? "answered" : "ringing") : `over: ${word(call.cause)}`],
        ["Call id", h("code", {}, call.id)]]),
      write && h("div", { class: "actions" },
        button("Start recording", (event) => this.record(event.target, "", "start"), { "data-key": "start" }),
        button("Hang up", (event) => this.hangUp(event.target), { class: "danger", "data-key": "hangup" })));
  }

  async hangUp(target) {
    if (!(await confirm("Hang up this call?", { more: "Both parties are cut off at once.", yes: "Hang up" }))) return;
    await doing(target, async () => {
      await this.context.api.ask("DELETE", this.url);
      told("The call was hung up");
    });
  }

  async record(target, id, action) {
    await doing(target, async () => {
      const url = id ? `${this.url}/recordings/${encodeURIComponent(id)}` : `${this.url}/recordings`;
      await this.context.api.ask(id ? "POST" : "PUT", url, { data: { action } });
      told(DONE[action]);
      this.again();
    });
  }

  recordings(call, up) {
    if (!call.recordings.length) return up ? section("Recordings", h("p", { class: "soft" }, "Nothing is recorded.")) : null;
    return section("Recordings", h("ul", { class: "tapes" }, call.recordings.map((each) => this.tape(each, up))));
  }

  tape(each, up) {
    const write = up && !each.over && this.context.can("calls:write");
    const name = each.label || each.media_name || each.origin || each.id;
    const act = ([action, label]) => button(label, (event) => this.record(event.target, each.id, action),
      { "data-key": `${action === "unmask" ? "mask" : action === "resume" ? "pause" : action} ${each.id}`, "aria-label": `${label} ${name}`, class: action === "stop" ? "danger" : null });
    const ways = [TO_MASK[each.state], TO_PAUSE[each.state], ["stop", "Stop"]].filter(Boolean);
    return h("li", { class: "tape" },
      h("div", { class: "tape-head" }, chip(word(each.state), tone(each.state)),
        each.over && this.context.can("recordings:read")
          ? h("a", { href: this.context.link("recordings", each.id) }, name) : h("span", {}, name),
        h("span", { class: "soft" }, each.origin !== name ? each.origin : "")),
      each.changes.length ? h("p", { class: "changes" }, each.changes.map((one) => h("span", {},
        h("span", { class: "num" }, took(one.at)), " ", one.change, one.reason ? ` (${one.reason})` : ""))) : null,
      write && h("div", { class: "actions" }, ways.map(act)));
  }
}

function steps(call) {
  if (!call.steps?.length) return null;
  const rows = call.steps.map((step) => h("tr", { class: step.seconds === null && call.state === "up" ? "here" : null },
    h("td", { class: "num" }, step.turn),
    h("td", { class: "num" }, took(step.at)),
    h("td", {}, h("code", {}, step.module), step.did ? h("span", { class: "soft did" }, step.did) : null),
    h("td", { class: "num" }, step.seconds === null ? "…" : took(step.seconds)),
    h("td", {}, step.next ? h("code", {}, step.next) : step.outcome ? h("span", { class: "soft" }, step.outcome) : h("span", { class: "soft" }, "now"))));
  const left = call.left_out ? h("p", { class: "soft" }, `${call.left_out} earlier events are kept no more.`) : null;
  return section("Steps", left, h("div", { class: "scroll", "data-scroll": "steps", tabindex: "0", role: "group", "aria-label": "Steps" },
    h("table", {}, h("thead", {}, h("tr", {}, ["#", "At", "Module", "Took", "Next"].map((each) => h("th", { scope: "col" }, each)))), h("tbody", {}, rows))));
}

function legs(call) {
  if (!call.legs?.length) return null;
  return section("Legs", h("ul", { class: "plain" }, call.legs.map((leg) => h("li", {},
    h("span", {}, leg.device_id || leg.user_id || (leg.direction === "inbound" ? leg.from : leg.to) || leg.leg), " ",
    h("span", { class: "soft" }, [leg.direction, leg.doing, leg.answered ? "answered" : ""].filter(Boolean).join(" · "))))));
}

function notices(call) {
  if (!call.notices?.length) return null;
  return section("Notices", h("ul", { class: "notices" }, call.notices.map((each) => h("li", { class: each.level },
    h("span", { class: "num" }, took(each.at)), " ", h("code", {}, each.code), " ", each.message, each.hint ? h("span", { class: "soft" }, ` ${each.hint}`) : null))));
}
