// Forms: labelled fields, and a button that does something here rather than sends the form anywhere.

import { Child, h } from "./dom.js";
import { run, View } from "./view.js";

let hints = 0;

export function field(label: string, input: HTMLElement, hint?: string): HTMLElement {
  const className = input instanceof HTMLTextAreaElement ? "field wide" : "field";
  const element = h("div", { class: className }, h("label", {}, h("span", {}, label), input));
  if (hint !== undefined) {
    const id = `hint-${++hints}`;
    input.setAttribute("aria-describedby", id);
    element.appendChild(h("small", { id }, hint));
  }
  return element;
}

export function text(value = "", more: { required?: boolean; list?: string; type?: string } = {}): HTMLInputElement {
  const input = h("input", {
    type: more.type ?? "text",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    required: more.required === true,
    list: more.list,
  });
  input.value = value;
  return input;
}

export function area(value = "", rows = 4): HTMLTextAreaElement {
  const input = h("textarea", { rows, spellcheck: "false" });
  input.value = value;
  return input;
}

export function check(label: string, checked = false): { element: HTMLElement; input: HTMLInputElement } {
  const input = h("input", { type: "checkbox", checked });
  return { element: h("label", { class: "check" }, input, h("span", {}, label)), input };
}

export function choice(options: [value: string, label: string][], value = ""): HTMLSelectElement {
  const input = h("select", {}, ...options.map(([given, label]) => h("option", { value: given }, label)));
  if (value !== "") input.value = value;
  return input;
}

// What a person types as JSON must be an object; nothing is an empty one.
export function jsonOf(input: HTMLTextAreaElement | HTMLInputElement, what: string): Record<string, unknown> {
  if (input.value.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(input.value);
  } catch (error) {
    throw new Error(`${what}: this is not JSON (${error instanceof Error ? error.message : ""}). Write {"key": value}.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} must be a JSON object: {"key": value}.`);
  }
  return value as Record<string, unknown>;
}

export function form(view: View, action: string, work: () => Promise<void>, ...fields: Child[]): HTMLFormElement {
  const button = h("button", { type: "submit", class: "primary" }, action);
  const element = h("form", { autocomplete: "off" }, h("div", { class: "fields" }, ...fields), button);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    void run(view, button, work);
  });
  return element;
}

// A form that is folded away until it is wanted.
export function folded(title: string, ...children: Child[]): HTMLDetailsElement {
  return h("details", {}, h("summary", {}, title), ...children);
}

export function button(view: View, label: Child, work: () => Promise<void>, className = ""): HTMLButtonElement {
  const element: HTMLButtonElement = h(
    "button",
    { type: "button", class: className, onclick: () => void run(view, element, work) },
    label,
  );
  return element;
}
