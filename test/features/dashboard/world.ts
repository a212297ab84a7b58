import { afterEach } from "vitest";
import { createFakeClock, type FakeClock } from "../../../src/testing/index.ts";
import { devToken, RawClient, startServer } from "../../harness.ts";

/** 2024-01-01T00:00:00Z, where a fake clock starts: a full minute. */
export const START = Date.UTC(2024, 0, 1);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Does this at the end of the test. */
export function atEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

type Options = NonNullable<Parameters<typeof startServer>[0]>;

/** A server whose time the test moves, gone at the end of the test. */
export async function startStill(
  options: Options = {},
): Promise<{ server: Awaited<ReturnType<typeof startServer>>; clock: FakeClock }> {
  const clock = createFakeClock(START);
  const server = await startServer({ clock, ...options });
  atEnd(async () => {
    // What waits for a time of the server must not wait for ever.
    const closed = server.close();
    for (let turn = 0; turn < 20; turn++) await clock.advance(1_000);
    await closed;
  });
  return { server, clock };
}

/** A server in real time, gone at the end of the test. */
export async function start(options: Options = {}): Promise<Awaited<ReturnType<typeof startServer>>> {
  const server = await startServer(options);
  atEnd(() => server.close());
  return server;
}

/** A connected client, gone at the end of the test. */
export async function connect(server: { url: string; wsUrl: string }, user = "ada"): Promise<RawClient> {
  const client = await RawClient.open(server, user);
  atEnd(() => client.close());
  return client;
}

export interface State {
  readonly resolution: string;
  readonly columns: string[];
  readonly rows: (number | null)[][];
  readonly min?: (number | null)[][];
  readonly max?: (number | null)[][];
  readonly recent?: (number | null)[][];
  readonly latest: Record<string, [number, number | null]>;
}

/** `joined_room.state`. */
export async function joinState(client: RawClient, name: string, more: Record<string, unknown> = {}): Promise<State> {
  const { payload } = await client.join(`dashboard:${name}`, more);
  return (payload as { state: State }).state;
}

export interface Update {
  readonly t: number;
  readonly values: Record<string, number | null>;
  readonly times?: Record<string, number>;
}

/** Every `metrics_update` so far. */
export function updates(client: RawClient): Update[] {
  return client.received
    .filter(({ type }) => type === "metrics_update")
    .map(({ payload }) => payload as unknown as Update);
}

/** Asks by HTTP, as a user or with a key. */
export async function ask(
  server: { url: string },
  path: string,
  {
    user,
    key,
    body,
    headers = {},
  }: { user?: string; key?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const bearer = key ?? (user === undefined ? undefined : await devToken(server.url, user));
  const response = await fetch(`${server.url}${path}`, {
    headers: { ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }), ...headers },
    ...(body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text), headers: response.headers };
}

/** The code of a refusal. */
export function codeOf({ body }: { body: Record<string, unknown> }): string | undefined {
  return (body.error as { code?: string } | undefined)?.code;
}
