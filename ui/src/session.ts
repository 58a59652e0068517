// Who is logged in. The credentials are in this module's memory; in the tab's sessionStorage as well if the user says
// so. They are in no cookie, so no other page can have the browser send them.

const kKey = "millrace.authorization";

let authorization: string | null = null;

function base64(text: string): string {
  let octets = "";
  for (const octet of new TextEncoder().encode(text)) octets += String.fromCharCode(octet);
  return btoa(octets);
}

export interface User {
  name: string;
  tags: string[];
}

export let user: User = { name: "", tags: [] };

export function setUser(who: User): void {
  user = who;
}

export function has(tag: "monitoring" | "policymaker" | "administrator"): boolean {
  return user.tags.includes("administrator") || user.tags.includes(tag);
}

export function useCredentials(userName: string, password: string): void {
  authorization = `Basic ${base64(`${userName}:${password}`)}`;
}

export function remember(): void {
  if (authorization !== null) sessionStorage.setItem(kKey, authorization);
}

export function recall(): boolean {
  authorization = sessionStorage.getItem(kKey);
  return authorization !== null;
}

export function forget(): void {
  authorization = null;
  user = { name: "", tags: [] };
  sessionStorage.removeItem(kKey);
}

export function authorizationHeader(): string | null {
  return authorization;
}
