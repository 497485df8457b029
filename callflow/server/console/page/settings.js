/* The settings in force: their values, and where each comes from. */

import { path } from "./api.js";
import { failed } from "./dialogs.js";
import { announce, chip, empty, field, h, refill } from "./dom.js";

/** Show the view. */
export function show(context) {
  const search = h("input", { type: "search", name: "words", placeholder: "silence, retry …", autocomplete: "off", spellcheck: "false" });
  const only = h("input", { type: "checkbox", name: "changed" });
  const which = h("select", { name: "which" }, 
    context.everything && h("option", { value: "system" }, "the whole system"), h("option", { value: "account" }, `account ${context.account}`));
  const table = h("div", { class: "settings-list" });
  const tools = h("form", { class: "tools filters", role: "search", "aria-label": "Filter settings", onsubmit: (event) => event.preventDefault() },
    field("Of", which), field("Words", search), field("Only what was chosen here", only, "check"));
  context.root.replaceChildren(tools, table);
  let rows = [];
  const fill = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (each) => (!only.checked || isOwn(each))
      && words.every((word) => `${each.name} ${each.title} ${each.description} ${JSON.stringify(each.value)} ${each.source}`.toLowerCase().includes(word));
    const shown = rows.filter(fits);
    refill(table, shown.length ? groups(shown) : empty("No setting fits", "Other words may find some."));
    announce(`${shown.length} settings`);
  };
  const load = async () => {
    const from = which.value === "system" ? "/v2/system_config" : path("accounts", context.account, "system_config");
    rows = (await context.api.get(from, { signal: context.signal })).data;
    fill();
  };
  const reload = () => load().catch(failed);
  search.addEventListener("input", fill);
  only.addEventListener("change", fill);
  which.addEventListener("change", reload);
  reload();
  return {};
}

function groups(rows) {
  const documents = Map.groupBy(rows, (each) => each.name.split(".")[0]);
  return [...documents].map(([name, of]) => h("section", { class: "part" }, h("h2", {}, name),
    h("table", { class: "settings" },
      h("thead", {}, h("tr", {}, ["Setting", "Value", "From"].map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, of.map(line)))));
}

/** Did somebody choose it? */
function isOwn(each) {
  return !["default", "shipped"].includes(each.source);
}

/** A text with its `names` as code. */
function withCode(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));
}

function line(each) {
  const own = isOwn(each);
  const title = each.description && each.description !== each.title ? `${each.title ? `${each.title}. ` : ""}${each.description}` : each.title;
  return h("tr", { class: own ? "own" : null },
    h("th", { scope: "row" }, h("code", {}, each.name.slice(each.name.indexOf(".") + 1)), title && h("span", { class: "soft" }, withCode(title))),
    h("td", {}, h("code", { class: "value" }, shown(each.value)), own && shown(each.default) !== shown(each.value) && each.default !== null
      ? h("span", { class: "soft" }, "default ", h("code", {}, shown(each.default))) : null),
    h("td", {}, chip(each.source, own ? "busy" : "plain"), own && each.file ? h("span", { class: "soft wrap" }, each.file.split("/").slice(-2).join("/")) : null));
}

function shown(value) {
  return typeof value === "string" ? value || "(empty)" : JSON.stringify(value);
}
