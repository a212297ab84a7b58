import type { PushSubscription } from "./schemas.ts";

/**
 * The way to a closed tab or a sleeping phone, seen from the feature. The server has one for Web Push; one for FCM, APNs or
 * e-mail implements the same.
 */
export interface PushSender {
  /** What a browser needs to subscribe: `applicationServerKey`, in base64url. */
  readonly publicKey: string;
  /**
   * Hands one message to the subscription's push service. Must end within some seconds and reach no machine of the own
   * network. A rejection counts as `retry`.
   */
  send(subscription: PushSubscription, message: PushMessage): Promise<PushOutcome>;
}

/** What a push service is given. */
export interface PushMessage {
  /** {@link PushPayload} as JSON text, at most {@link MAX_PAYLOAD_BYTES} in UTF-8. */
  readonly payload: string;
  /** How long the push service may keep it for a device that is away, s. */
  readonly ttlSeconds: number;
  /** At most 32 characters of base64url: a later message of the same topic takes its place there. Null for none. */
  readonly topic: string | null;
}

/**
 * What a service worker gets: `event.data.json()` in its `push` event. It shows it with
 * `registration.showNotification(title, {body, tag, data})`, opens `url` when it is clicked, and may mark it read with
 * `POST /api/messages {"type": "read_notifications", "payload": {"roomId": "user:<sub>", "ids": [id]}}`.
 */
export interface PushPayload {
  /** The notification's id, as in the inbox. */
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  /** Cut at the end, with `…`, when it is too long for a push message. */
  readonly title: string;
  /** Cut at the end, with `…`, when it is too long for a push message. */
  readonly body: string;
  /** Null for none, or when it is too long for a push message. */
  readonly url: string | null;
  readonly category: string | null;
  /** For `tag`: what has the same one takes its place on the screen. */
  readonly tag: string;
}

/** What became of a message. */
export type PushOutcome =
  /** The push service has it. */
  | { readonly kind: "sent" }
  /** The subscription does not exist any more and is to be forgotten. */
  | { readonly kind: "gone" }
  /** Not now; after `afterMs` if the push service said so. */
  | { readonly kind: "retry"; readonly afterMs?: number | undefined }
  /** Never: the push service does not take this message. */
  | { readonly kind: "refused"; readonly reason: string };

/** The largest payload, bytes. Push services take about 4 KB with the encryption's own. */
export const MAX_PAYLOAD_BYTES = 3_072;
