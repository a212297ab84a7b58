import type { CLOSE } from "../protocol/close-codes.ts";
import type { YamabikoError } from "../protocol/errors.ts";

/*
 * The close codes the client acts upon, as numbers a bundler writes in their places: the whole table would cost a page more
 * than a transport's watchdog does. Their types are the table's, so the two cannot differ.
 */

export const NORMAL: typeof CLOSE.normal = 1000;
export const PROTOCOL_ERROR: typeof CLOSE.protocol_error = 1002;
export const TRY_LATER: typeof CLOSE.try_later = 1013;
export const UNAUTHENTICATED: typeof CLOSE.unauthenticated = 4401;
export const FORBIDDEN: typeof CLOSE.forbidden = 4403;
export const HEARTBEAT_TIMEOUT: typeof CLOSE.heartbeat_timeout = 4408;
/** Not in the table: what browsers report when a link broke without a goodbye. */
export const ABNORMAL = 1006;

/** The close code that goes with a refusal of everything. */
export function closeCodeOf({ code, retryable }: YamabikoError): number {
  if (code === "unauthenticated" || code === "token_expired") return UNAUTHENTICATED;
  if (code === "access_denied") return FORBIDDEN;
  return retryable ? TRY_LATER : PROTOCOL_ERROR;
}
