import { fieldsOf, numeric, text } from "../chat/message.ts";

/** What the server said no to, in its words. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/** A dashboard that somebody has published to, or the server's own. */
export interface ListedDashboard {
  readonly name: string;
  readonly series: number;
}

/** The dashboards of the server, by name. Rejects when there is no answer or a refusal. */
export async function listDashboards(token: string): Promise<ListedDashboard[]> {
  const { dashboards } = fieldsOf(await ask("/api/dashboards", { headers: { authorization: `Bearer ${token}` } }));
  if (!Array.isArray(dashboards)) return [];
  return dashboards.map((one) => {
    const { name, series } = fieldsOf(one);
    return { name: text(name), series: numeric(series) ?? 0 };
  });
}

/** Publishes as a back end would; in development no key is needed. */
export async function publishMetrics(name: string, values: Readonly<Record<string, number>>): Promise<void> {
  await ask(`/api/dashboards/${encodeURIComponent(name)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(values),
  });
}

async function ask(address: string, init?: RequestInit): Promise<unknown> {
  const response = await fetch(address, init);
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body;
  const { message, remedy } = fieldsOf(fieldsOf(body).error);
  throw new RequestError([text(message, `HTTP ${response.status}`), text(remedy)].filter(Boolean).join(" "));
}
