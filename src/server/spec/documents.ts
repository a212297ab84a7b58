import { createHash } from "node:crypto";
import type { JsonObject } from "../../protocol/index.ts";
import { createAsyncApi } from "./asyncapi.ts";
import { createOpenApi, type SpecParts } from "./openapi.ts";

/** A document as it is served. */
export interface Document {
  readonly type: string;
  readonly text: string;
  /** Names this text, with its quotation marks. */
  readonly etag: string;
}

/** The documents of a server by path. Each is made when it is first asked for, and once. */
export function createDocuments(parts: SpecParts): { find(path: string): Document | null } {
  const makers = new Map<string, () => JsonObject>([
    ["/openapi.json", () => createOpenApi(parts)],
    ["/asyncapi.json", () => createAsyncApi(parts)],
  ]);
  const made = new Map<string, Document>();
  return {
    find(path) {
      const known = made.get(path);
      if (known !== undefined) return known;
      const make = makers.get(path);
      if (make === undefined) return null;
      const text = JSON.stringify(make());
      const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
      const document = { type: "application/json; charset=utf-8", text, etag };
      made.set(path, document);
      return document;
    },
  };
}
