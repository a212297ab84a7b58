import { fieldsOf, text } from "../chat/message.ts";

/** What the server said no to, in its words. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/** A notification to send. What is empty is left out. */
export interface Outgoing {
  readonly userId: string;
  readonly type: string;
  readonly title: string;
  readonly body: string;
  readonly url: string;
  readonly category: string;
  readonly dedupKey: string;
  readonly collapseKey: string;
  /** How long it stays, ms; 0 for ever. */
  readonly expiresInMs: number;
}

/** What became of a notification that was sent. */
export interface Sent {
  readonly id: string;
  /** Its `dedupKey` had been used: nothing was added. */
  readonly duplicate: boolean;
}

/** A page of the inbox of whoever the token is. Rejects when there is no answer or a refusal. */
export async function listNotifications(token: string, query: Readonly<Record<string, string>>): Promise<unknown> {
  return ask(`/api/notifications?${new URLSearchParams(query)}`, { headers: { authorization: `Bearer ${token}` } });
}

/** Sends as a back end would; in development no key is needed. */
export async function sendNotification(outgoing: Outgoing): Promise<Sent> {
  const { expiresInMs, ...words } = outgoing;
  const given = Object.fromEntries(Object.entries(words).filter(([, value]) => value !== ""));
  const expiry = expiresInMs > 0 ? { expiresAt: Date.now() + expiresInMs } : {};
  const answer = await ask("/api/notifications", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...given, ...expiry }),
  });
  const { id, duplicate } = fieldsOf(answer);
  return { id: text(id), duplicate: duplicate === true };
}

/** What a browser needs to subscribe to Web Push; null where the server pushes nothing. */
export async function readPushKey(): Promise<string | null> {
  try {
    const { publicKey } = fieldsOf(await ask("/api/notifications/push-key"));
    return typeof publicKey === "string" ? publicKey : null;
  } catch {
    return null;
  }
}

async function ask(address: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(address, init);
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body;
  const { message, remedy } = fieldsOf(fieldsOf(body).error);
  throw new RequestError([text(message, `HTTP ${response.status}`), text(remedy)].filter(Boolean).join(" "));
}
