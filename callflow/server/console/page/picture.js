/* A flow's drawing as the API makes it, taken over element by element: only shapes and texts, and only
   attributes that shape them. Its colours are those of views.css, so it follows the theme. */

import { h } from "./dom.js";

const ELEMENTS = new Set(["svg", "title", "g", "rect", "path", "text"]);
const ATTRIBUTES = new Set(["role", "aria-label", "width", "height", "viewBox", "class", "transform", "x", "y", "rx",
  "d", "data-path", "text-anchor"]);
const NAMESPACE = "http://www.w3.org/2000/svg";

/* A page that allows no text to become markup needs a name for this one place where text is parsed: as an
   inert document, of which nothing is used as it is. */
const policy = globalThis.trustedTypes?.createPolicy("callflow-picture", { createHTML: (text) => text });

/** The drawing as a scrolling figure. Throws for what is no drawing. */
export function picture(text, label, { onnode = null } = {}) {
  const plain = text.replace(/<style>[^<]*<\/style>/, ""); // the page's policy would complain about it
  const parsed = new DOMParser().parseFromString(policy ? policy.createHTML(plain) : plain, "image/svg+xml");
  if (parsed.documentElement.localName !== "svg" || parsed.querySelector("parsererror")) {
    throw new Error("the drawing cannot be read");
  }
  const drawn = copied(parsed.documentElement);
  drawn.setAttribute("class", "flow");
  drawn.setAttribute("aria-label", label);
  const width = Number(drawn.getAttribute("width")) || 0; // it shrinks to fit, as long as it can be read
  drawn.style.width = `clamp(${Math.round(width * 0.72)}px, 100%, ${width}px)`;
  if (onnode) nodesOf(drawn, onnode);
  return h("div", { class: "picture", "data-scroll": "picture", tabindex: "0", role: "group", "aria-label": label }, drawn);
}

function copied(from) {
  const made = document.createElementNS(NAMESPACE, from.localName);
  for (const { name, value } of from.attributes) if (ATTRIBUTES.has(name)) made.setAttribute(name, value);
  for (const child of from.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(document.createTextNode(child.data));
    else if (child.nodeType === Node.ELEMENT_NODE && child.namespaceURI === NAMESPACE && ELEMENTS.has(child.localName)) {
      made.append(copied(child));
    }
  }
  return made;
}

function nodesOf(drawn, onnode) {
  drawn.classList.add("clickable");
  for (const node of drawn.querySelectorAll("g.node")) {
    node.addEventListener("click", () => onnode(node.dataset.path ?? ""));
  }
}

/** Bring the node where the call is into sight, within its figure. */
export function showNow(figure) {
  const now = figure.querySelector(".now");
  if (!now) return;
  const [box, frame] = [now.getBoundingClientRect(), figure.getBoundingClientRect()];
  if (box.bottom > frame.bottom) figure.scrollTop += box.bottom - frame.bottom + 24;
  else if (box.top < frame.top) figure.scrollTop -= frame.top - box.top + 24;
  if (box.right > frame.right) figure.scrollLeft += box.right - frame.right + 24;
  else if (box.left < frame.left) figure.scrollLeft -= frame.left - box.left + 24;
}
