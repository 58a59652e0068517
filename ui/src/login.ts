// The form that asks who you are.

import { ApiError, get } from "./api.js";
import { h, replace } from "./dom.js";
import { field } from "./form.js";
import { forget, recall, remember, setUser, useCredentials, User } from "./session.js";

async function enter(): Promise<void> {
  setUser(await get<User>("whoami"));
}

// By what the tab remembers. Null: the user is in; otherwise why not, if there is something to say.
export async function enterAgain(): Promise<string | null> {
  if (!recall()) return "";
  try {
    await enter();
    return null;
  } catch (error) {
    // Only a refusal is a reason to forget.
    if (error instanceof ApiError && error.status === 401) forget();
    return error instanceof Error ? error.message : String(error);
  }
}

export function showLogin(place: HTMLElement, why: string, entered: () => void): void {
  document.title = "Log in · Millrace";
  const name = h("input", { type: "text", name: "username", autocomplete: "username", required: true, autocapitalize: "off", spellcheck: "false" });
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password" });
  const keep = h("input", { type: "checkbox" });
  const told = h("p", { class: "complaint", role: "alert" }, why);
  const button = h("button", { type: "submit", class: "primary" }, "Log in");
  const form = h(
    "form",
    { class: "login" },
    h("h1", {}, "Millrace"),
    field("User", name),
    field("Password", password),
    h("label", { class: "check" }, keep, h("span", {}, "Stay logged in when this tab is loaded again")),
    told,
    button,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "";
    useCredentials(name.value, password.value);
    enter().then(
      () => {
        if (keep.checked) remember();
        entered();
      },
      (error: unknown) => {
        forget();
        button.disabled = false;
        told.textContent = error instanceof Error ? error.message : String(error);
        password.value = "";
        password.focus();
      },
    );
  });
  replace(place, h("main", { class: "narrow" }, form));
  name.focus();
}
