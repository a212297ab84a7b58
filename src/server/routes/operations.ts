import { issueDevToken } from "../../auth/dev.ts";
import { type Clock, type Limits, YamabikoError } from "../../protocol/index.ts";
import { readJson } from "../body.ts";
import { type CredentialParts, identify } from "../credentials.ts";
import type { IpLimits } from "../ip-limits.ts";
import type { LinkState } from "../links.ts";
import type { Route } from "../route.ts";

export interface HealthParts {
  /** Whether the server can serve now. */
  isReady(): boolean;
  /** How the connections to the log and the bus are. */
  links(): { readonly log: LinkState; readonly bus: LinkState };
}

/** Whether the process lives, and whether it serves. */
export function healthRoutes(parts: HealthParts): Route[] {
  return [
    { method: "GET", path: "/healthz", handle: async () => ({ status: 200, body: { status: "ok" } }) },
    {
      method: "GET",
      path: "/readyz",
      // Without the bus it serves on: other nodes' events come when heads are compared.
      handle: async () =>
        parts.isReady() && parts.links().log === "up"
          ? { status: 200, body: { status: "ready", ...parts.links() } }
          : { status: 503, body: { status: "not ready", ...parts.links() } },
    },
  ];
}

export interface OperationParts extends CredentialParts {
  /** The key that signs development tokens; null in production. */
  readonly devSecret: string | null;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly ipLimits: IpLimits;
  /** The metrics as text; null where they are not served here. */
  readonly metrics: (() => Promise<{ type: string; text: string }>) | null;
}

/** Metrics, tickets, and the tokens of development. */
export function operationRoutes(parts: OperationParts): Route[] {
  const { metrics, devSecret } = parts;
  const routes: Route[] = [
    {
      method: "POST",
      path: "/api/tickets",
      async handle({ request, url, address }) {
        parts.ipLimits.askForCredential(address);
        const identity = await identify(request, url, parts);
        if (identity === null) {
          throw new YamabikoError("unauthenticated", "A ticket is given for a token.", {
            remedy: "Send `Authorization: Bearer <token>`.",
          });
        }
        return { status: 200, body: parts.tickets.issue(identity) };
      },
    },
  ];
  if (metrics !== null) {
    routes.push({ method: "GET", path: "/metrics", handle: async () => ({ status: 200, ...(await metrics()) }) });
  }
  if (devSecret !== null) {
    routes.push({
      method: "POST",
      path: "/api/dev/token",
      async handle({ request, address }) {
        parts.ipLimits.askForCredential(address);
        const body = await issueDevToken(devSecret, await readJson(request, parts.limits), parts.clock);
        return { status: 200, body };
      },
    });
  }
  return routes;
}
