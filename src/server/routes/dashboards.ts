import { createHash } from "node:crypto";
import type { DashboardService } from "../../features/index.ts";
import { type Limits, parseRoomId, YamabikoError } from "../../protocol/index.ts";
import type { User } from "../../session/namespace.ts";
import type { Can } from "../../session/services.ts";
import { readJson } from "../body.ts";
import { type BackEnds, type CredentialParts, callerOf } from "../credentials.ts";
import { isKnownTag } from "../etag.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";

export interface DashboardRouteParts extends CredentialParts {
  readonly service: DashboardService;
  readonly can: Can;
  readonly limits: Limits;
  readonly backEnds: BackEnds;
}

/** Dashboards: to list, to read, and to publish to (DASH-7, DASH-8). */
export function dashboardRoutes(parts: DashboardRouteParts): Route[] {
  const { service } = parts;
  return [
    {
      method: "GET",
      path: "/api/dashboards",
      async handle(route) {
        const user = await userOf(route, parts);
        const listed = service.list();
        const readable = await Promise.all(listed.map(({ name }) => mayRead(user, name, parts)));
        return tagged(route, { dashboards: listed.filter((_, index) => readable[index]) });
      },
    },
    {
      method: "GET",
      path: "/api/dashboards/:name",
      async handle(route) {
        const name = route.params.name!;
        if (!(await mayRead(await userOf(route, parts), name, parts))) {
          throw new YamabikoError("access_denied", "You may not read this dashboard.");
        }
        const { url } = route;
        url.searchParams.delete("ticket");
        return tagged(route, { name, ...(await service.readRequest(name, url.searchParams)) });
      },
    },
    {
      method: "POST",
      path: "/api/dashboards/:name",
      async handle({ request, params }) {
        const name = params.name!;
        parts.backEnds.check(request, "publish").checkRoom(`dashboard:${name}`);
        const taken = await service.publishRequest(name, await readJson(request, parts.limits));
        return { status: 200, body: { name, ...taken } };
      },
    },
  ];
}

async function userOf({ request, url, address }: RouteRequest, parts: DashboardRouteParts): Promise<User> {
  const { identity, guest } = await callerOf(request, url, address, parts);
  return {
    id: identity?.id ?? guest?.id ?? "",
    name: identity?.name ?? "Guest",
    guest: identity === null,
    claims: identity?.claims ?? {},
  };
}

async function mayRead(user: User, name: string, { can }: DashboardRouteParts): Promise<boolean> {
  return can(user, parseRoomId(`dashboard:${name}`), "read");
}

/** An answer that whoever has it need not take again. */
function tagged({ request }: RouteRequest, body: unknown): Answer {
  const text = JSON.stringify(body);
  const etag = `W/"${createHash("sha1").update(text).digest("base64url")}"`;
  const headers = {
    ETag: etag,
    "Cache-Control": "private, no-cache",
    Vary: "Authorization, Accept-Encoding, Origin",
  };
  return isKnownTag(request, etag) ? { status: 304, headers } : { status: 200, text, headers };
}
