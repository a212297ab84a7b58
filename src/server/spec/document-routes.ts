import { isKnownTag } from "../etag.ts";
import type { Answer, Route } from "../route.ts";
import { createDocuments } from "./documents.ts";
import type { SpecParts } from "./openapi.ts";

/** `GET /openapi.json` and `GET /asyncapi.json`. Made when they are first asked for; 304 for who knows them. */
export function documentRoutes(parts: SpecParts): Route[] {
  const documents = createDocuments(parts);
  return ["/openapi.json", "/asyncapi.json"].map((path) => ({
    method: "GET",
    path,
    async handle({ request }): Promise<Answer> {
      const { type, text, etag } = documents.find(path)!;
      const headers = { ETag: etag, "Cache-Control": "no-cache" };
      return isKnownTag(request, etag) ? { status: 304, headers } : { status: 200, text, type, headers };
    },
  }));
}
