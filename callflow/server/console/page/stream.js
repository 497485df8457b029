/* The account's live stream (Server-Sent Events), read by fetch: a header can be sent with it. */

import { path, query } from "./api.js";

const AGAIN_MS = [500, 1000, 2000, 5000, 10000];
const SILENT_MS = 40000;

/** Hears what happens, and comes back after a break where it was. */
export class Stream {
  /** `onstate(live)`: whether it is connected. */
  constructor(api, account, onstate) {
    this.api = api;
    this.account = account;
    this.onstate = onstate;
    this.listeners = new Set();
    this.lastId = "";
    this.ending = new AbortController();
    this.run();
  }

  /** `heard(event)` for each event, also `{event: "missed"}`, until `signal` is aborted. */
  listen(heard, signal) {
    this.listeners.add(heard);
    signal.addEventListener("abort", () => this.listeners.delete(heard));
  }

  close() {
    this.ending.abort();
  }

  async run() {
    let failures = 0;
    while (!this.ending.signal.aborted) {
      try {
        await this.read(() => { failures = 0; });
      } catch (error) {
        if (this.ending.signal.aborted) return;
        if (error.status === 401 || error.status === 403 || error.status === 404) return void this.onstate(false);
      }
      this.onstate(false);
      await new Promise((done) => { setTimeout(done, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]); });
      failures += 1;
    }
  }

  async read(onopen) {
    const headers = { Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const broken = new AbortController();
    const signal = AbortSignal.any([this.ending.signal, broken.signal]);
    const type = "call,step,recording,delivery";
    const response = await this.api.send("GET", path("accounts", this.account, "events") + query({ type }), { headers, signal });
    onopen();
    this.onstate(true);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let watch = 0;
    try {
      for (;;) {
        clearTimeout(watch);
        watch = setTimeout(() => broken.abort(), SILENT_MS);
        const { done, value } = await reader.read();
        if (done) return;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach((block) => this.take(block));
      }
    } finally {
      clearTimeout(watch);
    }
  }

  take(block) {
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("id: ")) this.lastId = line.slice(4);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) return;
    const event = JSON.parse(data);
    for (const heard of [...this.listeners]) heard(event);
  }
}
