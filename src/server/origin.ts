import type { IncomingMessage } from "node:http";

/**
 * Whether a page of this `Origin` may talk to us (CON-3): our own origin or one on the list. A request without `Origin`
 * does not come from a page.
 */
export function isOriginAllowed(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (allowed.includes(origin)) return true;
  if (origin === "null") return false;
  if (allowed.includes("*")) return true;
  try {
    return host !== undefined && new URL(origin).host === new URL(`http://${host}`).host;
  } catch {
    return false;
  }
}

const LOOPBACK_ADDRESS = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

/** Whether only this machine reaches what listens on this address. */
export function isLoopbackAddress(host: string): boolean {
  return LOOPBACK_ADDRESS.test(host);
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\]|[a-z0-9-]+\.localhost)(:\d{1,5})?$/i;

/**
 * Whether `Host` names this machine. In development mode anything else is refused, so that a page whose name was made to
 * point here (DNS rebinding) is not taken for our own.
 */
export function isLoopbackHost(request: IncomingMessage): boolean {
  return LOOPBACK.test(request.headers.host ?? "");
}
