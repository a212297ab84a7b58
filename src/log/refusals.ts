import { YamabikoError } from "../protocol/index.ts";

/** When a client asks again whose log is away, ms: it is told, because one that waits longer each time would come long after the log is back. */
const RETRY_MS = 1_000;

/** `conflict`: the head is not the one of `expect`. */
export function headMoved(): YamabikoError {
  return new YamabikoError("conflict", "The room's head is not the expected one.");
}

/** `conflict`: an event of `amend` is not there, is named twice, or its payload is not `expectData`. */
export function amendedMoved(): YamabikoError {
  return new YamabikoError("conflict", "The event to amend is not what it was expected to be.");
}

/** `conflict`: the fence is not the newest one of the room. */
export function fenceOver(): YamabikoError {
  return new YamabikoError("conflict", "Another leads the room now.");
}

/** `unavailable`: `close()` was called. */
export function logClosed(): YamabikoError {
  return new YamabikoError("unavailable", "The log is closed.");
}

/** `unavailable`: the storage failed. What it said is the cause, which does not reach clients. */
export function logUnavailable(reason: string): YamabikoError {
  return new YamabikoError("unavailable", "The log cannot take it now.", {
    retryAfterMs: RETRY_MS,
    cause: new Error(reason),
  });
}
