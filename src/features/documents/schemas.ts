import { z } from "zod";
import type { Json } from "../../protocol/index.ts";

/** How many changes one message may hold. */
export const MAX_CHANGES = 50;

const position = z.int().min(0);
const version = z.int().min(0);
const json = z.custom<Json>(() => true);

/** The payloads clients send, by type. */
export const payloads = {
  document_change: z.object({ version, changes: z.array(json).min(1).max(MAX_CHANGES) }),
  cursor_move: z
    .object({
      /** Null removes the caret. */
      position: position.nullable().optional(),
      anchor: position.optional(),
      head: position.optional(),
      version: version.optional(),
      caretId: z
        .string()
        .regex(/^[\w-]{1,32}$/, "must be 1 to 32 letters, digits, - or _")
        .optional(),
    })
    .refine(({ position: at, anchor, head }) => at !== undefined || (anchor !== undefined && head !== undefined), {
      error: "needs `position`, or `anchor` and `head`",
    }),
};

const change = z.array(z.union([position, z.tuple([position], z.string())]));

/** The payloads of the log's events, by type. */
export const events = {
  remote_change: z.object({
    userId: z.string(),
    clientId: z.string(),
    version,
    changes: z.array(change),
    removed: z.array(z.string()).optional(),
  }),
};

/** The members of acks, by type. */
export const acks = {
  document_change: z.object({ version: version.nullable() }),
};
