// Build elements. Text only ever becomes a text node: nothing here can run what a document says.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  close: "M5 5l10 10M15 5L5 15",
  trash: "M4 6h12M8 6V4h4v2M5.500 6l.7 10h7.600l.7-10M8.500 9v4.500M11.500 9v4.500",
  retry: "M15.500 7A6.200 6.200 0 1 0 16.200 11M15.800 3.500V7.200H12.100",
  copy: "M7 7h9v9.500H7zM4 13V3.500h9",
  file: "M5 2.500h6.500L15.500 6.500v11H5zM11.500 2.500v4h4",
  warn: "M10 3.500l7 12.500H3zM10 8.500v3.500M10 13.900v.2",
};

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick) {
  return el("button", { class: "icon-button", type: "button", "aria-label": label, title: label, onclick }, icon(name));
}

export const byId = (id) => document.getElementById(id);

export function announce(text) {
  byId("announcer").textContent = text;
}

// Offsets from the service count characters; JavaScript's own count UTF-16 units.
export function slice(text, start, end) {
  return Array.from(text).slice(start, end).join("");
}

// Messages of the service begin in lower case, as parts of a longer line; on a page they stand alone.
export function sentenceCase(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
