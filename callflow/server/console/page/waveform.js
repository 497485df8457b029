/* A recording's sound: the server's peaks drawn channel by channel, and a player whose place is the
   drawing's. The file is fetched when it is first played: the token goes in a header. */

import { doing, failed } from "./dialogs.js";
import { button, choice, h, s } from "./dom.js";
import { length, size, spoken } from "./format.js";

const BUCKETS = 1000;
const LANE = 64;
const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];

/** Waveform and player of one recording: `box` is the element. */
export class Sound {
  constructor(context, url, each) {
    Object.assign(this, { context, url, each, seconds: each.duration_ms / 1000, at: 0, source: "" });
    this.audio = h("audio", { preload: "auto" });
    this.ending = new AbortController();
    this.done = s("rect", { x: 0, y: 0, width: 0, height: "100%" });
    this.cursor = s("line", { class: "cursor", y1: 0, y2: 1, x1: 0, x2: 0 });
    this.wave = h("div", { class: "wave", role: "slider", tabindex: "0", "aria-label": "Place in the recording", "aria-valuemin": "0", "data-key": "wave" });
    this.playing = button("Play", () => doing(this.playing, () => this.toggle()), { class: "primary play", "data-key": "play" });
    this.clock = h("span", { class: "clock num" });
    const speed = choice(SPEEDS.map((each_) => [each_, `${each_}×`]), "1", { "aria-label": "Speed", onchange: (event) => { this.audio.playbackRate = Number(event.target.value); } });
    this.box = h("section", { class: "sound", "aria-label": "Sound" }, this.wave,
      h("div", { class: "player" }, this.playing, this.clock, speed, h("span", { class: "soft" }, size(each.bytes)), this.audio));
    this.listen();
    this.place(0);
    this.draw().catch((error) => {
      this.wave.replaceChildren(h("p", { class: "soft" }, error.message));
      failed(error);
    });
  }

  listen() {
    this.audio.addEventListener("timeupdate", () => this.place(this.audio.currentTime));
    this.audio.addEventListener("seeked", () => this.place(this.audio.currentTime));
    this.audio.addEventListener("play", () => { this.playing.textContent = "Pause"; this.follow(); });
    for (const name of ["pause", "ended"]) this.audio.addEventListener(name, () => { this.playing.textContent = "Play"; });
    this.wave.addEventListener("keydown", (event) => this.onKey(event));
    const drag = (event) => { if (event.buttons & 1) this.seek(this.secondsAt(event.clientX)); };
    this.wave.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.wave.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.wave.addEventListener("pointermove", drag);
  }

  close() {
    this.ending.abort();
    this.audio.pause();
    this.audio.removeAttribute("src");
    if (this.source) URL.revokeObjectURL(this.source);
  }

  // ---- the drawing -------------------------------------------------------------------------

  async draw() {
    const { data } = await this.context.api.get(`${this.url}/peaks?buckets=${BUCKETS}`, { signal: this.ending.signal });
    this.seconds = data.seconds || this.seconds;
    const names = data.channels === 2 ? ["Left: caller", "Right: callee"] : Array.from({ length: data.channels }, (_, at) => (data.channels === 1 ? "Both" : `Channel ${at + 1}`));
    const height = LANE * data.channels;
    const shapes = data.peaks.map((peaks, lane) => s("path", { class: `lane lane-${lane % 2}`, "data-lane": lane, d: outline(peaks, lane) }));
    const clip = s("clipPath", { id: "played" }, this.done);
    this.done.setAttribute("height", height);
    this.cursor.setAttribute("y2", height);
    const middles = data.peaks.map((_, lane) => s("line", { class: "middle", x1: 0, x2: data.buckets, y1: LANE * (lane + 0.5), y2: LANE * (lane + 0.5) }));
    this.buckets = data.buckets;
    const drawing = s("svg", { viewBox: `0 0 ${data.buckets} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      clip, middles, s("g", { class: "still" }, shapes), s("g", { class: "played", "clip-path": "url(#played)" }, shapes.map((each) => each.cloneNode())), this.cursor);
    const labels = h("div", { class: "lane-names", "aria-hidden": "true" }, names.map((each, lane) => h("span", { class: `lane-${lane % 2}` }, each)));
    this.wave.replaceChildren(drawing, labels, this.ruler());
    this.wave.setAttribute("aria-description", names.join(", "));
    this.place(this.at);
  }

  /** Times below the drawing, at a round distance. */
  ruler() {
    const apart = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200].find((each) => this.seconds / each <= 8) ?? 14400;
    const marks = s("svg", { class: "ruler", "aria-hidden": "true", height: 16, width: "100%" });
    for (let at = 0; at <= this.seconds * 0.97; at += apart) {
      marks.append(s("text", { x: `${(at / this.seconds) * 100}%`, y: 12, dx: at ? 3 : 0 }, length(at)));
      if (at) marks.append(s("line", { x1: `${(at / this.seconds) * 100}%`, x2: `${(at / this.seconds) * 100}%`, y1: 0, y2: 14 }));
    }
    return marks;
  }

  /** Show where it is. */
  place(seconds) {
    this.at = seconds;
    const x = this.seconds ? (seconds / this.seconds) * (this.buckets ?? 0) : 0;
    this.done.setAttribute("width", x);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    this.clock.textContent = `${length(seconds)} / ${length(this.seconds)}`;
    this.wave.setAttribute("aria-valuemax", this.seconds.toFixed(2));
    this.wave.setAttribute("aria-valuenow", seconds.toFixed(2));
    this.wave.setAttribute("aria-valuetext", `${spoken(seconds)} of ${spoken(this.seconds)}`);
  }

  follow() {
    if (this.audio.paused || this.ending.signal.aborted) return;
    this.place(this.audio.currentTime);
    requestAnimationFrame(() => this.follow());
  }

  // ---- the player --------------------------------------------------------------------------

  secondsAt(clientX) {
    const frame = this.wave.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - frame.left) / frame.width)) * this.seconds;
  }

  /** Go there; before it was played for the first time, that is where it will begin. */
  seek(seconds) {
    const at = Math.min(this.seconds, Math.max(0, seconds));
    if (this.source && this.audio.readyState > 0) this.audio.currentTime = at;
    this.place(at);
  }

  async toggle() {
    if (!this.audio.paused) return void this.audio.pause();
    if (!this.source) await this.fetch();
    if (this.ending.signal.aborted) return;
    if (this.at >= this.seconds - 0.02) this.seek(0);
    await this.audio.play();
  }

  async fetch() {
    const headers = { Accept: this.each.media.content_type };
    const response = await this.context.api.send("GET", `${this.url}?inline=true`, { headers, signal: this.ending.signal });
    const blob = await response.blob();
    this.source = URL.createObjectURL(blob);
    const begin = this.at;
    await new Promise((known, wrong) => {
      this.audio.addEventListener("loadedmetadata", known, { once: true });
      this.audio.addEventListener("error", () => wrong(new Error("This browser cannot play it; download it instead.")), { once: true });
      this.audio.src = this.source;
    });
    this.audio.currentTime = begin;
  }

  onKey(event) {
    const by = event.shiftKey ? 1 : 5;
    const ways = { ArrowLeft: -by, ArrowDown: -by, ArrowRight: by, ArrowUp: by, PageDown: -30, PageUp: 30 };
    if (event.key in ways) this.seek(this.at + ways[event.key]);
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(this.seconds);
    else if (event.key === " ") this.playing.click();
    else return;
    event.preventDefault();
  }
}

/** One channel as a closed shape: along the highest of each piece, back along the lowest. A piece is never
    thinner than a hair, so that silence is a line. */
function outline(peaks, lane) {
  const middle = LANE * (lane + 0.5);
  const y = (value) => (middle - (value / 128) * (LANE / 2 - 3)).toFixed(2);
  const count = peaks.length / 2;
  const up = [];
  const down = [];
  for (let at = 0; at < count; at += 1) {
    const low = Math.min(peaks[2 * at], -0.8);
    const high = Math.max(peaks[2 * at + 1], 0.8);
    up.push(`${at},${y(high)} ${at + 1},${y(high)}`);
    down.push(`${at + 1},${y(low)} ${at},${y(low)}`);
  }
  return `M${up.join(" L")} L${down.reverse().join(" L")} Z`;
}
