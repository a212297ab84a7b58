import { type WireError, YamabikoError } from "../protocol/index.ts";
import { type Terminal, UsageError } from "./terminal.ts";

/** The flags of commands that are back ends. */
export const BACK_END_FLAGS = { url: { type: "string" }, "api-key": { type: "string" } } as const;

/** What their help says of these. */
export const backEndHelp = `  --url URL        the server; default: YAMABIKO_URL, or http://localhost:8080
  --api-key KEY    a key of the server; default: YAMABIKO_API_KEY; a server with --dev on this machine needs none`;

/** The API key; null for none. */
export function backEndKeyOf(values: { readonly "api-key"?: string | undefined }, { env }: Terminal): string | null {
  const key = values["api-key"] ?? env.YAMABIKO_API_KEY ?? "";
  if (key !== "" && !/^[!-~]+$/.test(key)) {
    throw new UsageError("The API key cannot be used.", "It must be of visible ASCII characters.");
  }
  // A server may have several, of which one is enough.
  return key === "" ? null : key.split(",")[0]!;
}

/** What a server answers to a back end. Rejects with its refusal, and with `unavailable` when there is no server. */
export async function askBackEnd(
  method: "GET" | "POST",
  address: string,
  apiKey: string | null,
  stopped: AbortSignal,
): Promise<unknown> {
  const headers: Record<string, string> = apiKey === null ? {} : { Authorization: `Bearer ${apiKey}` };
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(address, { method, headers, signal: stopped, redirect: "manual" });
    body = await response.json();
  } catch {
    throw new YamabikoError("unavailable", `There is no answer from ${new URL(address).origin}.`, {
      remedy: "Check that the server runs, and --url or YAMABIKO_URL.",
    });
  }
  if (response.ok) return body;
  const { error } = (body ?? {}) as { error?: WireError };
  if (typeof error?.code === "string") throw YamabikoError.fromWire(error);
  throw new YamabikoError("unavailable", `It answered ${response.status}.`, { remedy: "Check --url or YAMABIKO_URL." });
}
