import { YamabikoError } from "./errors.ts";

/** "I have everything of this room up to `seq` of `epoch`." `epoch` is null when the client does not mind the epoch. */
export interface Cursor {
  readonly epoch: string | null;
  readonly seq: number;
}

const FORM = /^([A-Za-z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})$/;

/** The wire form `"<epoch>:<seq>"` (also the `savedId` of an event, ACK-7). */
export function formatCursor(epoch: string, seq: number): string {
  return `${epoch}:${seq}`;
}

/**
 * Reads a cursor string or a bare seq.
 * @throws {YamabikoError} `invalid_message` when it is neither.
 */
export function parseCursor(value: unknown): Cursor {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return { epoch: null, seq: value };
  if (typeof value === "string") {
    const match = FORM.exec(value);
    if (match !== null) {
      const seq = Number(match[2]);
      if (Number.isSafeInteger(seq)) return { epoch: match[1]!, seq };
    }
  }
  throw new YamabikoError("invalid_message", "`after` is not a cursor.", {
    remedy: "Use the `cursor` or `savedId` the server gave, or a seq as a number.",
  });
}
