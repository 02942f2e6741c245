// Small helpers. Text reaches the page as text only: no file here sets HTML, and the page's policy forbids it.

export const by = (id) => document.getElementById(id);

// Characters that are not seen but move others about, or end lines, by their numbers: a name must not pass for another.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const plain = (text) => text.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

export function write(element, text) {
  element.textContent = plain(text);
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (properties.textContent) write(element, properties.textContent);
  element.append(...children.map((child) => (typeof child === "string" ? plain(child) : child)));
  return element;
}

// Fill a <select>: [value, text] each. What was chosen stays, where it is still there.
export function choices(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => make("option", { value, textContent: text })));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Calls back now and whenever the person changes between light and dark.
export function themed(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  callback();
}

let hiding;
export function toast(text, isError = false) {
  const place = by("toast");
  write(place, text);
  place.className = isError ? "shown error" : "shown";
  clearTimeout(hiding);
  hiding = setTimeout(() => (place.className = ""), isError ? 12000 : 4000);
}
