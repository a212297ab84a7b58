import type { Limits } from "../../../protocol/index.ts";
import { readJson } from "../../body.ts";
import type { Route } from "../../route.ts";
import type { AdminCredential } from "../credential.ts";

/** How an operator logs in and out, and asks whether it is. */
export function sessionRoutes({ credential, limits }: { credential: AdminCredential; limits: Limits }): Route[] {
  return [
    {
      method: "POST",
      path: "/api/login",
      async handle({ request }) {
        const body = await readJson(request, limits);
        const { secret } = (typeof body === "object" && body !== null ? body : {}) as { secret?: unknown };
        const cookie = credential.login(secret, request);
        return { status: 200, body: { success: true }, headers: { "Set-Cookie": cookie } };
      },
    },
    {
      method: "GET",
      path: "/api/session",
      handle: async ({ request }) => ({ status: 200, body: { expiresAt: credential.checkOperator(request) } }),
    },
    {
      method: "POST",
      path: "/api/logout",
      handle: async ({ request }) => ({
        status: 200,
        body: { success: true },
        headers: { "Set-Cookie": credential.logout(request) },
      }),
    },
  ];
}
