/* Asks the HTTP API. The token goes in a header, never in an address. */

/** What the API refuses: `status`, a message, and its data (what is wrong with which field). */
export class Refused extends Error {
  constructor(status, message, data = {}) {
    super(message);
    this.status = status;
    this.data = data;
  }
}

/** A client with one token. `onsignout`: the token is not good any more. */
export class Api {
  constructor(token, onsignout) {
    this.token = token;
    this.onsignout = onsignout;
  }

  /** The answer's envelope; `etag` of it is the revision. Throws Refused, or AbortError. */
  async ask(method, path, { data, text, headers = {}, signal } = {}) {
    const response = await this.send(method, path, { data, text, headers, signal });
    return response.json();
  }

  get(path, options = {}) {
    return this.ask("GET", path, options);
  }

  /** The answer as text. */
  async text(method, path, options = {}) {
    return (await this.send(method, path, options)).text();
  }

  /** The answer itself. Throws Refused. */
  async send(method, path, { data, text, headers = {}, signal } = {}) {
    const sent = { "X-Auth-Token": this.token, ...headers };
    let body;
    if (data !== undefined) {
      sent["Content-Type"] = "application/json";
      body = JSON.stringify({ data });
    } else if (text !== undefined) {
      sent["Content-Type"] = "text/plain; charset=utf-8";
      body = text;
    }
    let response;
    try {
      response = await fetch(path, { method, headers: sent, body, signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, "The server cannot be reached.");
    }
    if (response.ok) return response;
    const refused = await refusal(response);
    if (response.status === 401) this.onsignout(refused.message);
    throw refused;
  }
}

async function refusal(response) {
  let envelope = {};
  try {
    envelope = await response.json();
  } catch { /* not from the API itself */ }
  const data = envelope.data ?? {};
  return new Refused(response.status, said(data) || `${response.status} ${response.statusText}`, data);
}

/** The first thing that `data` of an error says; its hint or cause after it. */
function said(data) {
  if (typeof data.message === "string") return data.cause ? `${data.message}: ${data.cause}` : data.message;
  for (const [name, rules] of Object.entries(data)) {
    for (const rule of Object.values(rules ?? {})) {
      if (rule && typeof rule.message === "string") return name === "data" ? rule.message : `${name}: ${rule.message}`;
    }
  }
  return "";
}

/** A path of the API: `path("accounts", account, "calls", id)`; each part is quoted. */
export function path(...parts) {
  return `/v2/${parts.map(encodeURIComponent).join("/")}`;
}

/** `?a=b`, without what is empty. */
export function query(values) {
  const shown = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return shown.length ? `?${new URLSearchParams(shown)}` : "";
}
