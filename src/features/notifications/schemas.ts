import { z } from "zod";

/** The longest of each, in characters (code points). */
export const MAX = { title: 200, body: 4_000, url: 2_000, word: 64, key: 200 } as const;

/** The most users one call of `notify` may name. */
export const MAX_USERS = 10_000;

/** The most ids one message may name. */
export const MAX_IDS = 1_000;

/** The largest page of an inbox, and the page nobody asked a size for. */
export const MAX_LIMIT = 100;
export const DEFAULT_LIMIT = 20;

const SURROGATE = /\p{Surrogate}/u;
const VISIBLE = /[^\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}]/u;
const CONTROL_OR_SPACE = /[\p{Cc}\p{White_Space}\\]/u;

const text = (most: number) =>
  z
    .string()
    .refine((value) => !SURROGATE.test(value), "has an unpaired surrogate")
    .refine((value) => isWithin(value, most), `must be at most ${most} characters`);

const word = text(MAX.word).refine((value) => VISIBLE.test(value), "must not be blank");
const key = text(MAX.key).min(1);
const seq = z.int().min(1);

/**
 * Whether a notification may lead there: a path of the own site, or `http:` or `https:` with a host. Everything else a
 * browser would run or read otherwise than it looks (`javascript:`, `//other.example`, `/\other.example`) may not.
 */
export function isSafeUrl(url: string): boolean {
  if (CONTROL_OR_SPACE.test(url)) return false;
  if (url.startsWith("/")) return !url.startsWith("//");
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}

/** A notification as a back end gives it. */
export const notificationInput = z.strictObject({
  /** What kind it is, for the page: `new_message`, `order_shipped`. */
  type: word,
  title: text(MAX.title).refine((value) => VISIBLE.test(value), "must not be blank"),
  /** Default: empty. */
  body: text(MAX.body).default(""),
  /** Where a click leads: a path, or `http(s)://`. Default: nowhere. */
  url: text(MAX.url)
    .refine(isSafeUrl, "must be a path that begins with one `/`, or an http(s) URL")
    .nullable()
    .default(null),
  /** For filters and preferences. Default: none. */
  category: word.nullable().default(null),
  /** The same key again for the same user within 24 h is the same notification. Default: every call is another. */
  dedupKey: key.optional(),
  /** It takes the place of those of the same key that are not archived. Default: it takes none. */
  collapseKey: key.optional(),
  /** From then on it is gone from the inbox; ms since 1970. Default: it stays. */
  expiresAt: z.int().min(1).optional(),
});

/** What `notify` takes. */
export type NotificationInput = z.input<typeof notificationInput>;

/** A user's id in `notify`: a number is taken as its digits. */
export const recipient = z.union([z.string().min(1).max(255), z.int().transform(String)]);

/** The body of `POST /api/notifications`. */
export const notifyRequest = z
  .looseObject({ userId: recipient.optional(), userIds: z.array(recipient).min(1).max(MAX_USERS).optional() })
  .refine(({ userId, userIds }) => (userId === undefined) !== (userIds === undefined), {
    error: "needs `userId` or `userIds`, one of them",
  });

const target = z
  .object({
    /** These. */
    ids: z.array(z.string().min(1).max(128)).min(1).max(MAX_IDS).optional(),
    /** All up to this seq that are not archived. */
    upTo: z.int().min(0).optional(),
    /** All that are not archived. */
    all: z.literal(true).optional(),
  })
  .refine(({ ids, upTo, all }) => [ids, upTo, all].filter((given) => given !== undefined).length === 1, {
    error: "takes one of `ids`, `upTo` and `all: true`",
  });

/** The operations on what is in an inbox. */
export const MARKS = ["read", "unread", "seen", "archived"] as const;
export type Mark = (typeof MARKS)[number];

const base64url = (bytes: number) =>
  z.string().refine((value) => /^[\w-]+=*$/.test(value) && Buffer.from(value, "base64url").length === bytes, {
    error: `must be ${bytes} bytes in base64url`,
  });

/** A subscription as `PushSubscription.toJSON()` of a browser gives it. */
export const pushSubscription = z.object({
  endpoint: z.string().min(1).max(1_000),
  keys: z.object({ p256dh: base64url(65), auth: base64url(16) }),
});

/** Where a browser's push service takes messages for it, and what they are encrypted with. */
export type PushSubscription = z.output<typeof pushSubscription>;

/** The payloads clients send, by type. */
export const payloads = {
  mark: target,
  received_notifications: z.object({ upTo: seq }),
  subscribe_push: z.object({ subscription: pushSubscription }),
  unsubscribe_push: z.object({ endpoint: z.string().min(1).max(1_000) }),
};

const counts = { unread: z.number(), unseen: z.number() };

/** The payloads of an inbox's events, by type. */
export const events = {
  notification: z.object({
    id: z.string(),
    type: z.string(),
    title: z.string(),
    body: z.string(),
    url: z.string().nullable(),
    category: z.string().nullable(),
    /** ISO 8601, UTC. */
    timestamp: z.string(),
    collapseKey: z.string().optional(),
    /** ms since 1970. */
    expiresAt: z.number().optional(),
    /** The ids of those it took the place of: they are archived now. */
    replaces: z.array(z.string()).optional(),
    /** The counts after this event. */
    ...counts,
  }),
  inbox_state: z.object({
    /** The counts after this event. */
    ...counts,
    op: z.enum([...MARKS, "expired"]),
    /** Which notifications it is about: those named, those up to a seq, or all there were. Of the last two, archived ones are left out. */
    ids: z.array(z.string()).optional(),
    upTo: z.number().optional(),
    all: z.literal(true).optional(),
    /** How many notifications it changed. */
    changed: z.number(),
  }),
};

/** The acks' own members, by type of message. */
export const acks = {
  mark: z.object({ ...counts, changed: z.number() }),
  received_notifications: z.object({ upTo: z.number() }),
  /** How many subscriptions the user has now. */
  push: z.object({ subscriptions: z.number() }),
};

const flag = z.enum(["1", "true", "0", "false"]).transform((value) => value === "1" || value === "true");
const digits = z
  .string()
  .regex(/^\d{1,15}$/, "must be a whole number")
  .transform(Number);

/** The query of `GET /api/notifications`. */
export const inboxParameters = z.object({
  before: digits.pipe(seq).optional(),
  limit: digits.pipe(z.int().min(1).max(MAX_LIMIT)).optional(),
  unread: flag.optional(),
  archived: flag.optional(),
  category: z.string().optional(),
});

/** The payload of `notification`. */
export type Notification = z.output<typeof events.notification>;
/** The payload of `inbox_state`. */
export type InboxState = z.output<typeof events.inbox_state>;

// Counting code points costs a walk over the text; most texts are short enough to need none.
function isWithin(value: string, most: number): boolean {
  if (value.length <= most) return true;
  if (value.length > most * 2) return false;
  let length = 0;
  for (const _ of value) length += 1;
  return length <= most;
}
