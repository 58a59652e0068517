// Asks the broker's HTTP API, and says what went wrong in words that tell what to do.

import { authorizationHeader } from "./session.js";

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer
    message: string,
  ) {
    super(message);
  }
}

type LoginLost = (why: string) => void;
let loginLost: LoginLost = () => undefined;

export function onLoginLost(listener: LoginLost): void {
  loginLost = listener;
}

// path("queues", vhost, name): names as parts of an address below /api.
export function path(...names: string[]): string {
  return names
    .map((part) => {
      // Browsers resolve them, however they are encoded, and would ask for something else.
      if (part === "." || part === "..") {
        throw new ApiError(0, `Browsers cannot ask for a name that is "${part}". Use the command line for it.`);
      }
      if (part === "") throw new ApiError(0, "The name is empty. Give it one.");
      try {
        return encodeURIComponent(part);
      } catch {
        throw new ApiError(0, "The name has half a character in it (a lone surrogate). Type it again.");
      }
    })
    .join("/");
}

export function query(values: Record<string, string | number | boolean>): string {
  const form = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) form.set(key, String(value));
  return form.toString();
}

function explain(status: number, reason: string): string {
  const because = reason === "" ? "" : ` The broker says: ${reason}`;
  switch (status) {
    case 400:
      return `The broker does not take this.${because}`;
    case 401:
      return `Your user may not do this; an administrator can give it the permission or the tag.${because}`;
    case 403:
      return `The broker takes this for a request of another site. Open the page by the broker's own address.${because}`;
    case 404:
      return `It is not there, or not any more. Look whether it was deleted or renamed.${because}`;
    case 413:
      return `That is too much at once. Send less.${because}`;
    case 503:
      return `The broker has no room for this at the moment. Try again in a while.${because}`;
    default:
      return `The broker answered with status ${status}.${because}`;
  }
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const told = (await response.json()) as { reason?: unknown };
    return typeof told.reason === "string" ? told.reason : "";
  } catch {
    return "";
  }
}

export interface Request {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

async function send(method: string, address: string, request: Request): Promise<Response> {
  // X-Requested-With: this page has its own form for the password; the browser shall not open its window for it.
  const headers: Record<string, string> = { "X-Requested-With": "millrace-page", ...request.headers };
  const authorization = authorizationHeader();
  if (authorization !== null) headers["Authorization"] = authorization;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), request.timeoutMs ?? 20_000);
  const stop = () => timeout.abort();
  request.signal?.addEventListener("abort", stop);
  const init: RequestInit = {
    method,
    headers,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal: timeout.signal,
  };
  if (request.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = typeof request.body === "string" ? request.body : JSON.stringify(request.body);
  }
  try {
    return await fetch(`api/${address}`, init);
  } catch {
    if (request.signal?.aborted === true) throw new ApiError(0, "");
    throw new ApiError(0, "The broker does not answer. Is it running, and is the network up?");
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", stop);
  }
}

async function ask(method: string, address: string, request: Request, alsoFine = 200): Promise<Response> {
  const response = await send(method, address, request);
  if (response.ok || response.status === alsoFine) return response;
  const reason = await reasonOf(response);
  if (response.status === 401 && /^(Login failed|User can only log in)/.test(reason)) {
    const why =
      reason === "Login failed"
        ? "User name or password is wrong."
        : "This user may log in from the broker's own machine only. Use another one.";
    loginLost(why);
    throw new ApiError(401, why);
  }
  throw new ApiError(response.status, explain(response.status, reason));
}

export async function get<T>(address: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask("GET", address, { signal })).json()) as T;
}

export async function getText(address: string): Promise<string> {
  return (await ask("GET", address, { timeoutMs: 60_000 })).text();
}

export async function put(address: string, body: unknown): Promise<void> {
  await ask("PUT", address, { body });
}

export async function remove(address: string, headers: Record<string, string> = {}): Promise<void> {
  await ask("DELETE", address, { headers });
}

export async function post<T>(address: string, body: unknown, timeoutMs = 60_000): Promise<T | null> {
  const text = await (await ask("POST", address, { body, timeoutMs })).text();
  return text === "" ? null : (JSON.parse(text) as T);
}

// A check that fails is answered 503, and is an answer all the same.
export async function health<T>(address: string, signal: AbortSignal): Promise<T> {
  return (await (await ask("GET", address, { signal }, 503)).json()) as T;
}
