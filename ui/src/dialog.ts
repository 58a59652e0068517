// Asks before something is destroyed. The browser's modal dialog keeps the keyboard within it and gives the focus back.

import { Child, h } from "./dom.js";
import { visible } from "./format.js";

export interface Question {
  title: string;
  body: Child[];
  action: string; // the words of the button
  typeName?: string; // must be typed first
}

export function confirm(question: Question): Promise<boolean> {
  const yes = h("button", { type: "submit", class: "danger" }, question.action);
  const no = h("button", { type: "button" }, "Cancel");
  const typed = h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const wanted = question.typeName;
  const check = () => {
    // As it is, or as it is shown.
    yes.disabled = wanted !== undefined && typed.value !== wanted && typed.value !== visible(wanted);
  };
  typed.addEventListener("input", check);
  check();
  const form = h(
    "form",
    {},
    h("h2", { id: "dialog-title" }, question.title),
    ...question.body,
    wanted !== undefined && h("label", {}, "Type ", h("bdi", { class: "name" }, visible(wanted)), " to go on", typed),
    h("p", { class: "buttons" }, yes, no),
  );
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  document.body.appendChild(dialog);
  return new Promise((resolve) => {
    let answer = false;
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    no.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (yes.disabled) return;
      answer = true;
      dialog.close();
    });
    // Whoever leaves for another page has not said yes.
    window.addEventListener("hashchange", () => dialog.close(), { once: true });
    dialog.showModal();
    (wanted === undefined ? no : typed).focus();
  });
}
