import type { IncomingMessage } from "node:http";

/** What a request says its spans belong to (W3C Trace Context), as it came; undefined when it says nothing. */
export function traceparentIn({ headers }: IncomingMessage): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === "string" ? traceparent : undefined;
}
