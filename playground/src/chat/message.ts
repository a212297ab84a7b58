/** What a chat room shows, free of React and of the client: plain values. */

/** One envelope as it comes from a room, from the live stream or from a page of history. */
export interface ChatEnvelope {
  readonly type: string;
  readonly payload: unknown;
  readonly timestamp?: string | undefined;
  readonly messageId?: string | undefined;
  readonly roomId?: string | undefined;
  readonly seq?: number | undefined;
}

/** A message of the room's log, with every later change applied. */
export interface ChatMessage {
  readonly seq: number;
  readonly messageId: string | undefined;
  readonly userId: string;
  readonly userName: string;
  readonly content: string;
  /** Ms since 1970. */
  readonly at: number;
  readonly replyTo: number | null;
  readonly mentions: readonly string[];
  readonly editedAt: string | null;
  readonly deleted: boolean;
  /** Users by emoji, in the order they reacted. An emoji without users is not there. */
  readonly reactions: Readonly<Record<string, readonly string[]>>;
}

/** Where a send of this page stands. */
export type SendState = "queued" | "sent" | "acked" | "failed";

/** A send of this page that the room's events do not show yet. */
export interface PendingSend {
  readonly messageId: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly state: SendState;
  /** Ms since 1970, by this page's clock. */
  readonly at: number;
  /** The seq the ack gave, once acked. */
  readonly seq?: number | undefined;
  /** Why it failed, in the server's words. */
  readonly error?: string | undefined;
}

/** Somebody in the room. */
export interface Person {
  readonly userId: string;
  readonly userName: string;
  readonly joinedAt?: number | undefined;
}

/** The part of a payload that is an object, or an empty one. */
export function fieldsOf(payload: unknown): Readonly<Record<string, unknown>> {
  return typeof payload === "object" && payload !== null && !Array.isArray(payload)
    ? (payload as Record<string, unknown>)
    : {};
}

/** `value` when it is a string, else `fallback`. */
export function text(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}

/** `value` when it is a finite number, else null. */
export function numeric(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** The message a `new_message` envelope carries, or null when it is not one. */
export function readMessage(envelope: ChatEnvelope): ChatMessage | null {
  if (envelope.type !== "new_message" || envelope.seq === undefined) return null;
  const fields = fieldsOf(envelope.payload);
  const deleted = fields.deleted === true;
  return {
    seq: envelope.seq,
    messageId: envelope.messageId,
    userId: text(fields.userId),
    userName: text(fields.userName, text(fields.userId)),
    content: deleted ? "" : text(fields.content),
    at: readTime(envelope.timestamp),
    replyTo: numeric(fields.replyTo),
    mentions: Array.isArray(fields.mentions) ? fields.mentions.filter((id) => typeof id === "string") : [],
    editedAt: typeof fields.editedAt === "string" || typeof fields.editedAt === "number" ? `${fields.editedAt}` : null,
    deleted,
    reactions: readReactions(fields.reactions),
  };
}

function readTime(timestamp: string | undefined): number {
  const at = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  return Number.isNaN(at) ? Date.now() : at;
}

function readReactions(value: unknown): Record<string, string[]> {
  const reactions: Record<string, string[]> = {};
  for (const [emoji, users] of Object.entries(fieldsOf(value))) {
    if (!Array.isArray(users)) continue;
    const ids = users.filter((id) => typeof id === "string");
    if (ids.length > 0) reactions[emoji] = ids;
  }
  return reactions;
}
