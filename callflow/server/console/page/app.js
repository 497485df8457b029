/* The start: who is signed in, which account and view are shown, keys that work everywhere. */

import { Api, Refused } from "./api.js";
import * as calls from "./calls.js";
import * as deliveries from "./deliveries.js";
import { failed, showKeys } from "./dialogs.js";
import { announce, button, choice, empty, h } from "./dom.js";
import { length } from "./format.js";
import * as flows from "./flows.js";
import { step } from "./frame.js";
import * as recordings from "./recordings.js";
import * as settings from "./settings.js";
import { Stream } from "./stream.js";

const TOKEN = "callflow.token";
const VIEWS = {
  calls: { title: "Calls", scope: "calls:read", module: calls },
  recordings: { title: "Recordings", scope: "recordings:read", module: recordings },
  deliveries: { title: "Deliveries", scope: "deliveries:read", module: deliveries },
  callflows: { title: "Callflows", scope: "callflows:read", module: flows },
  settings: { title: "Settings", scope: "system_config:read", module: settings },
};
const main = document.getElementById("main");
const head = document.getElementById("head");
const here = { api: null, who: null, account: "", stream: null, view: null, name: "", live: false };

// ---- who is signed in ----------------------------------------------------------------------

/** The token of the address's fragment: kept for this tab, and taken out of the address. */
function fromFragment() {
  const found = /^#token=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(TOKEN, found[1]);
  history.replaceState(null, "", location.pathname);
}

async function begin() {
  fromFragment();
  const token = sessionStorage.getItem(TOKEN);
  if (!token) return signIn();
  const api = new Api(token, signOut);
  try {
    here.who = (await api.get("/v2/token_auth")).data;
  } catch (error) {
    if (error instanceof Refused && error.status !== 401) signIn(error.message);
    return undefined;
  }
  here.api = api;
  return show();
}

function signIn(why = "") {
  close();
  head.replaceChildren(brand());
  const input = h("input", { type: "password", name: "token", autocomplete: "off", spellcheck: "false", required: true,
    placeholder: "cf_…", "aria-describedby": "how" });
  const form = h("form", { class: "sign-in", onsubmit: (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, input.value.trim());
    begin().catch(failed);
  } },
  h("h1", {}, "Sign in"),
  why && h("p", { class: "problem", role: "alert" }, why),
  h("label", { class: "field" }, h("span", {}, "Token"), input),
  h("button", { class: "primary", type: "submit" }, "Sign in"),
  h("p", { id: "how", class: "soft" }, "On this machine, ", h("code", {}, "callflow serve --http"),
    " prints an address with a token. ", h("code", {}, "callflow tokens create"), " makes others."));
  main.replaceChildren(form);
  document.title = "Sign in · callflow";
  input.focus();
}

function signOut(why = "") {
  sessionStorage.removeItem(TOKEN);
  signIn(why);
}

function close() {
  here.view?.ending.abort();
  here.stream?.close();
  Object.assign(here, { api: null, who: null, account: "", stream: null, view: null, name: "" });
}

/** Has the token this scope? */
function can(scope) {
  const { scopes } = here.who;
  return scopes.includes("*") || scopes.includes(scope);
}

// ---- where we are --------------------------------------------------------------------------

/** The fragment is `#/ACCOUNT/VIEW/ID?FILTERS`. */
function route() {
  const [way, search = ""] = location.hash.slice(1).split("?");
  const [account = "", name = "", id = ""] = way.split("/").slice(1).map(decodeURIComponent);
  return { account, name, id, query: Object.fromEntries(new URLSearchParams(search)) };
}

/** The address of a view. */
function href(name, id = "", query = {}) {
  const shown = Object.fromEntries(Object.entries(query).filter(([, value]) => value));
  const search = Object.keys(shown).length ? `?${new URLSearchParams(shown)}` : "";
  return `#/${[here.account, name, id].filter((part, at) => part || at < 2).map(encodeURIComponent).join("/")}${search}`;
}

function show() {
  if (!here.api) return;
  const wanted = route();
  const accounts = here.who.accounts.map((each) => each.id);
  const account = accounts.includes(wanted.account) ? wanted.account : accounts[0] ?? "";
  const allowed = Object.keys(VIEWS).filter((name) => can(VIEWS[name].scope));
  const name = allowed.includes(wanted.name) ? wanted.name : allowed[0];
  if (!account || !name) {
    frame();
    main.replaceChildren(empty("Nothing to show", account ? "This token has no scope that reads." : "There is no account."));
    return;
  }
  if (account !== here.account) listenTo(account);
  if (here.view && here.name === name && here.view.account === account) {
    here.view.handle.update?.(wanted);
    return;
  }
  here.view?.ending.abort();
  here.name = name;
  frame();
  const ending = new AbortController();
  const root = h("div", { class: `view ${name}` });
  main.replaceChildren(root);
  main.scrollTop = 0;
  document.title = `${VIEWS[name].title} · callflow`;
  announce(VIEWS[name].title);
  const context = {
    api: here.api, account, root, can, everything: here.who.account_id === "*", href: (id, query) => href(name, id, query), link: href,
    go: (id, query) => { location.hash = href(name, id, query); },
    listen: (heard) => here.stream?.listen(heard, ending.signal), signal: ending.signal,
  };
  here.view = { account, ending, handle: VIEWS[name].module.show(context, wanted) };
}

function listenTo(account) {
  here.stream?.close();
  here.account = account;
  here.live = false;
  here.stream = can("events:read") ? new Stream(here.api, account, setLive) : null;
}

function setLive(live) {
  if (here.live !== live && head.querySelector(".pulse")) announce(live ? "Live" : "Connection lost; trying again");
  here.live = live;
  const pulse = head.querySelector(".pulse");
  pulse?.classList.toggle("on", live);
  if (pulse) pulse.textContent = live ? "live" : "offline";
}

// ---- the frame -----------------------------------------------------------------------------

function brand() {
  return h("a", { class: "brand", href: "#" }, h("img", { src: "icon.svg", alt: "", width: 22, height: 22 }), "callflow");
}

function frame() {
  const links = Object.entries(VIEWS).filter(([, each]) => can(each.scope)).map(([name, each]) => h("li", {},
    h("a", { href: href(name), "aria-current": name === here.name ? "page" : null, "data-view": name }, each.title)));
  const accounts = here.who.accounts.map((each) => [each.id, each.name]);
  const account = accounts.length > 1
    ? choice(accounts, here.account, { "aria-label": "Account", onchange: (event) => { location.hash = `#/${encodeURIComponent(event.target.value)}/${here.name}`; } })
    : h("span", { class: "account" }, accounts[0]?.[1] ?? "");
  head.replaceChildren(brand(), h("nav", { "aria-label": "Views" }, h("ul", {}, links)),
    h("div", { class: "head-end" },
      here.stream && h("span", { class: `pulse ${here.live ? "on" : ""}`, title: "The live stream of events" }, here.live ? "live" : "offline"),
      account,
      button(themeSign(), nextTheme, { class: "quiet theme", "aria-label": `Theme: ${theme()}`, title: "Theme (t)" }),
      button("?", showKeys, { class: "quiet", "aria-label": "Keys", title: "Keys (?)" }),
      button("Sign out", () => signOut(), { class: "quiet" })));
}

function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

function themeSign() {
  return { light: "☀", dark: "☾", system: "◐" }[theme()];
}

function nextTheme() {
  const next = { system: "light", light: "dark", dark: "system" }[theme()];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("callflow.theme", next);
  } catch { /* it holds for this page */ }
  const shown = head.querySelector(".theme");
  if (shown) {
    shown.textContent = themeSign();
    shown.setAttribute("aria-label", `Theme: ${next}`);
  }
  announce(`Theme: ${next}`);
}

// ---- keys ----------------------------------------------------------------------------------

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input, textarea, select, [role=slider]")) return;
  const links = [...head.querySelectorAll("nav a")];
  const keys = {
    "?": showKeys, t: nextTheme, j: () => step(1), k: () => step(-1),
    n: () => document.querySelector('[data-key="page-next"]')?.click(),
    p: () => document.querySelector('[data-key="page-back"]')?.click(),
    "/": () => main.querySelector("input, select, textarea")?.focus(),
  };
  const does = keys[event.key] ?? (/^[1-5]$/.test(event.key) ? () => links[event.key - 1]?.click() : null);
  if (does && here.api) {
    event.preventDefault();
    does();
  }
}

/** Times that go on: `data-since` is when it was 0, in milliseconds since 1970. */
function tick() {
  for (const each of document.querySelectorAll("[data-since]")) {
    const text = length((Date.now() - Number(each.dataset.since)) / 1000);
    if (each.textContent !== text) each.textContent = text;
  }
}

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) begin().catch(failed);
  else show();
});
addEventListener("keydown", onKey);
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError" || event.reason instanceof Refused) {
    event.preventDefault();
    failed(event.reason);
  }
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
setInterval(tick, 1000);
begin().catch(failed);
