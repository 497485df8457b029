/* Elements from data. Whatever comes from the API becomes text here, never markup. */

/** An element: `h("a", {class: "row", href}, "text", child, [more], null)`. `on...` are listeners. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false)
    .map((each) => (each instanceof Node ? each : document.createTextNode(String(each))));
}

/** An SVG element with attributes; none of them can run anything. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...flat(children));
  return element;
}

/** Put `children` in place of what `box` has. What had the focus (`data-key`) has it again, what was
    scrolled (`data-key`, too) stays where it was. */
export function refill(box, ...children) {
  const active = document.activeElement;
  const key = active && box.contains(active) ? active.dataset.key : null;
  const scrolled = new Map();
  for (const each of box.querySelectorAll("[data-scroll]")) {
    scrolled.set(each.dataset.scroll, [each.scrollLeft, each.scrollTop]);
  }
  box.replaceChildren(...flat(children));
  for (const each of box.querySelectorAll("[data-scroll]")) {
    const [left, top] = scrolled.get(each.dataset.scroll) ?? [0, 0];
    each.scrollLeft = left;
    each.scrollTop = top;
  }
  if (key) box.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** A button. `more`: further properties. */
export function button(label, onclick, more = {}) {
  return h("button", { type: "button", onclick, ...more }, label);
}

/** A small mark: `kind` is its colour (good, bad, busy, warn, plain). */
export function chip(text, kind = "plain") {
  return h("span", { class: `chip ${kind}` }, text);
}

/** Names and values, beside each other; a value that is empty is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** A heading with what belongs to it. */
export function section(title, ...content) {
  return h("section", { class: "part" }, h("h3", {}, title), content);
}

/** What is said where there is nothing. */
export function empty(title, more = "") {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), more && h("p", {}, more));
}

/** A labelled control. */
export function field(label, control, more = "") {
  return h("label", { class: `field ${more}` }, h("span", {}, label), control);
}

/** A choice: `options` are [value, text]. */
export function choice(options, value, props = {}) {
  const select = h("select", props, options.map(([each, text]) => h("option", { value: each }, text)));
  select.value = value;
  return select;
}

/** Say something to who cannot see it change. */
export function announce(text) {
  document.getElementById("polite").textContent = text;
}

/** Calls `work` soon, and never twice within `ms`; what comes meanwhile is one call more. */
export function calmly(work, ms, signal) {
  let timer = 0;
  let busy = false;
  let again = false;
  const run = async () => {
    timer = 0;
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
      if (again && !signal.aborted) { again = false; ask(); }
    }
  };
  const ask = () => {
    if (busy) again = true;
    else if (!timer && !signal.aborted) timer = setTimeout(run, ms);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  return ask;
}
