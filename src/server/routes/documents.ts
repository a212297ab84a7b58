import { DocumentRoom } from "../../features/index.ts";
import { YamabikoError } from "../../protocol/index.ts";
import { featureOf } from "../../session/room-kind.ts";
import { readNumber } from "../../transport/read-request.ts";
import type { Route, RouteRequest } from "../route.ts";
import { type RoomParts, readable } from "./rooms.ts";

/** How many entries a page of a document's history has, unless it is asked for another number, and at most. */
const PAGE_ENTRIES = 50;
const MAX_ENTRIES = 500;

/** Documents for those who do not edit: the text, as it is or was, and who changed it when (DOC-9, DOC-10). */
export function documentsRoutes(parts: RoomParts): Route[] {
  return [
    {
      method: "GET",
      path: "/api/documents/:documentId",
      async handle(route) {
        const document = await documentOf(route, parts);
        const version = readWhole(route, "version", Number.MAX_SAFE_INTEGER);
        if (version === null) return { status: 200, body: (await document.ot.start()).snapshot };
        const text = await document.past.at(version);
        return { status: 200, body: { documentId: document.ot.documentId, version, text } };
      },
    },
    {
      method: "GET",
      path: "/api/documents/:documentId/history",
      async handle(route) {
        const document = await documentOf(route, parts);
        const before = readWhole(route, "before", Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY;
        const limit = readWhole(route, "limit", MAX_ENTRIES) ?? PAGE_ENTRIES;
        const page = await document.past.history(before, Math.max(1, limit));
        const { documentId, state } = document.ot;
        return { status: 200, body: { documentId, version: state.version, ...page } };
      },
    },
  ];
}

async function documentOf(route: RouteRequest, parts: RoomParts): Promise<DocumentRoom> {
  const document = featureOf(await readable(route, parts, `document:${route.params.documentId}`));
  // The application may have put a namespace of its own in this one's place.
  if (!(document instanceof DocumentRoom)) throw new YamabikoError("unknown_type", "There are no documents here.");
  if (document.kind === "yjs") throw new YamabikoError("conflict", "This document is edited with Yjs.");
  return document;
}

function readWhole({ url }: RouteRequest, name: string, most: number): number | null {
  const text = url.searchParams.get(name);
  return text === null ? null : readNumber(name, text, 0, most);
}
