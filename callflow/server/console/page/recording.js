/* One recording: its sound drawn and played, what is known of it, its deliveries; saves and deletes it. */

import { path } from "./api.js";
import { askFor, confirm, doing, failed, told } from "./dialogs.js";
import { button, calmly, chip, empty, facts, h, refill, section } from "./dom.js";
import { exactly, length, size, spoken, tone, when, word } from "./format.js";
import { parties } from "./recordings.js";
import { Sound } from "./waveform.js";

/** The panel beside the list. */
export class RecordingPanel {
  constructor(context, box, changed) {
    Object.assign(this, { context, box, changed, id: "", sound: null, digest: "" });
    this.again = calmly(() => this.load(), 150, context.signal);
    context.signal.addEventListener("abort", () => this.close());
  }

  open(id) {
    if (id === this.id) return;
    this.close();
    this.id = id;
    refill(this.box, h("p", { class: "loading" }, "…"));
    this.again();
  }

  close() {
    this.sound?.close();
    Object.assign(this, { id: "", sound: null, digest: "" });
  }

  get url() {
    return path("accounts", this.context.account, "recordings", this.id);
  }

  async load() {
    const { id, context } = this;
    if (!id) return;
    try {
      const { data } = await context.api.get(this.url, { signal: context.signal });
      if (id === this.id) this.show(data);
    } catch (error) {
      if (error.status !== 404) return void failed(error);
      if (id === this.id) refill(this.box, empty("There is no such recording", "It may have been deleted."));
    }
  }

  show(each) {
    const playable = each.media.available && !each.media.sealed;
    const digest = each.digests["sha-256"] ?? "";
    if (!this.sound || digest !== this.digest) {
      this.sound?.close();
      this.digest = digest;
      this.sound = playable ? new Sound(this.context, this.url, each) : null;
    }
    refill(this.box, this.heading(each), this.sound ? this.sound.box : silent(each),
      about(each), deliveries(each, this.context), digest ? section("Digest", h("code", { class: "digest" }, `sha-256 ${digest}`)) : null);
  }

  heading(each) {
    const { context } = this;
    const over = ["READY", "DISCARDED", "CANCELLED", "FAILED"].includes(each.state);
    return h("header", { class: "panel-head" },
      h("a", { class: "back", href: context.href("") }, "‹ Recordings"),
      h("div", { class: "panel-title" }, h("h2", {}, parties(each)), h("div", { class: "clock" }, length(each.duration_ms / 1000))),
      h("p", { class: "marks" }, chip(word(each.state), tone(each.state)),
        each.held && chip(`held: ${each.held.reason || "no reason given"}`, "warn"),
        each.media.sealed && chip("sealed"), each.recovered && chip("recovered", "warn"),
        each.message && h("span", { class: "soft" }, each.message)),
      h("div", { class: "actions" },
        each.media.available && button("Download", (event) => this.download(event.target, each), { "data-key": "download" }),
        over && context.can("recordings:write") && button(each.held ? "Release …" : "Hold …", (event) => this.hold(event.target, each), { "data-key": "hold" }),
        over && context.can("recordings:write") && button("Delete …", (event) => this.remove(event.target, each),
          { class: "danger", "data-key": "delete", disabled: Boolean(each.held), title: each.held ? "It is held" : null })));
  }

  async download(target, each) {
    await doing(target, async () => {
      const accept = each.media.content_type;
      const response = await this.context.api.send("GET", this.url, { headers: { Accept: accept }, signal: this.context.signal });
      const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? each.id;
      const url = URL.createObjectURL(await response.blob());
      h("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
      told(`Saved as ${name}`);
    });
  }

  /** Held, it cannot be erased, whoever asks; released, it can again. */
  async hold(target, each) {
    const { api } = this.context;
    if (each.held) {
      const more = `It is held since ${exactly(each.held.at)}: ${each.held.reason}. Released, it can be deleted again, by retention, too.`;
      if (!(await confirm("Release this recording?", { more, yes: "Release" }))) return;
    }
    const reason = each.held ? "" : await askFor("Hold this recording?", "Reason", { more: "As long as it is held it is not deleted, whoever asks.", yes: "Hold" });
    if (reason === null) return;
    await doing(target, async () => {
      await api.ask(each.held ? "DELETE" : "PUT", `${this.url}/hold`, each.held ? {} : { data: { reason } });
      told(each.held ? "Released" : "Held");
      this.again();
      this.changed();
    });
  }

  async remove(target, each) {
    const more = `${spoken(each.duration_ms / 1000)} from ${exactly(each.started)}. Its file, its facts and the history of its deliveries go; that it was deleted, when and by whom is kept.`;
    if (!(await confirm("Delete this recording?", { more, yes: "Delete" }))) return;
    await doing(target, async () => {
      try {
        await this.context.api.ask("DELETE", this.url);
      } catch (error) {
        if (error.status !== 409 || each.held) throw error;
        if (!(await confirm("Delete it all the same?", { more: error.message, yes: "Delete it" }))) return;
        await this.context.api.ask("DELETE", `${this.url}?force=true`);
      }
      told("The recording was deleted");
      this.close();
      this.changed();
      this.context.go("");
    });
  }
}

function silent(each) {
  const why = each.media.sealed ? "It is sealed: who has the account's key can open it, after saving it here."
    : each.state === "READY" ? "It was delivered, and its file is not kept here." : `It is ${word(each.state)}.`;
  return h("p", { class: "silent" }, why);
}

function about(each) {
  return section("About", facts([
    ["Began", exactly(each.started)], ["Ended", exactly(each.finished)], ["Because of", word(each.reason)],
    ["User", each.owner_id], ["Flow", each.callflow_id], ["Label", each.label], ["Origin", each.origin],
    ["Sound", [each.media_type, each.sample_rate && `${each.sample_rate / 1000} kHz`, each.channels && (each.channels === 2 ? "stereo" : each.channels === 1 ? "mono" : `${each.channels} channels`), size(each.bytes)].filter(Boolean).join(", ")],
    ["Goes to", each.url || each.stored], ["Call id", h("code", {}, each.call_id)], ["Id", h("code", {}, each.id)],
  ]));
}

function deliveries(each, context) {
  const rows = [...each.deliveries, ...each.events];
  if (!rows.length) return null;
  const link = (one) => (context.can("deliveries:read") ? h("a", { href: context.link("deliveries", one.id) }, `${one.method.toUpperCase()} ${one.url}`) : `${one.method.toUpperCase()} ${one.url}`);
  return section("Deliveries", h("ul", { class: "plain" }, rows.map((one) => h("li", { class: "line" },
    chip(word(one.state), tone(one.state)), h("span", { class: "grow wrap" }, link(one)),
    h("span", { class: "soft" }, [one.attempts && `${one.attempts} attempt${one.attempts > 1 ? "s" : ""}`, when(one.finished ?? one.created)].filter(Boolean).join(" · "))))));
}
