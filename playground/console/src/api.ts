/** The admin API, as the console asks it. */

/** A refusal of the server, or that it cannot be reached (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string | null;

  constructor(status: number, message: string, remedy: string | null = null) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

export interface Counts {
  readonly disconnections: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

export interface NodeView {
  readonly nodeId: string;
  readonly version: string;
  readonly pid: number;
  readonly upMs: number;
  readonly memoryBytes: number;
  readonly connections: number;
  readonly byTransport: Readonly<Record<string, number>>;
  readonly slow: number;
  readonly rooms: number;
  readonly readersBehind: number;
  readonly isDraining: boolean;
  readonly counts: Counts;
}

export interface Nodes {
  readonly nodes: readonly NodeView[];
  readonly silent: readonly string[];
}

export type Slowness =
  | { readonly kind: "takes_nothing"; readonly forMs: number; readonly waitingBytes: number }
  | { readonly kind: "takes_slowly"; readonly waitingBytes: number }
  | { readonly kind: "behind"; readonly roomId: string; readonly events: number }
  | { readonly kind: "rate_limited"; readonly times: number }
  | { readonly kind: "not_read" }
  | { readonly kind: "far"; readonly latencyMs: number };

export interface ConnectionRow {
  readonly connectionId: string;
  readonly nodeId: string;
  readonly transport: string;
  readonly userId: string | null;
  readonly userName: string | null;
  readonly guest: boolean;
  readonly address: string | null;
  readonly since: number;
  readonly expiresAt: number | null;
  readonly rooms: readonly string[];
  readonly roomCount: number;
  readonly latencyMs: number | null;
  readonly outboxBytes: number | null;
  readonly state: "authenticating" | "live" | "behind";
  readonly slowness: readonly Slowness[];
}

export interface ConnectionList {
  readonly total: number;
  readonly fitting: number;
  readonly slow: number;
  readonly connections: readonly ConnectionRow[];
  readonly silent: readonly string[];
}

export interface RoomRow {
  readonly roomId: string;
  readonly readers: number;
  readonly behind: number;
  readonly members: number;
  readonly head: number;
  readonly bytes: number;
  readonly stateKeys: number;
  readonly nodes: number;
}

export interface RoomList {
  readonly total: number;
  readonly fitting: number;
  readonly rooms: readonly RoomRow[];
  readonly silent: readonly string[];
}

export interface RoomDetails {
  readonly roomId: string;
  readonly epoch: string;
  readonly first: number;
  readonly head: number;
  readonly members: {
    readonly count: number;
    readonly users: readonly { readonly userId: string; readonly userName: string; readonly joinedAt: number }[];
  };
  /** JSON text. */
  readonly state: string;
  readonly nodes: readonly (RoomRow & { readonly nodeId: string })[];
  readonly silent: readonly string[];
}

export interface LoggedEvent {
  readonly seq: number;
  readonly type: string;
  readonly sender: string | null;
  readonly timestamp: number;
  readonly bytes: number;
  readonly payload: string;
}

export interface LogPage {
  readonly events: readonly LoggedEvent[];
  readonly first: number;
  readonly head: number;
}

export interface Ban {
  readonly roomId: string;
  readonly userId: string;
  readonly since: number;
  readonly until: number | null;
  readonly reason: string | null;
}

export interface TraceEntry {
  readonly at: number;
  readonly direction: "in" | "out" | "room";
  readonly type: string;
  readonly roomId: string | null;
  readonly userId: string | null;
  readonly connectionId: string | null;
  readonly bytes: number;
  readonly seq: number | null;
  readonly durationMs: number | null;
  readonly error: string | null;
  readonly payload: string | null;
}

/** How long an answer is waited for, ms. */
const WAIT_MS = 8_000;

/** Asks. Rejects with an `ApiError`. */
export async function ask<T>(
  path: string,
  query: Readonly<Record<string, string | number | boolean>> = {},
): Promise<T> {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  return request<T>(`${path}?${search}`, {});
}

/** Acts. Rejects with an `ApiError`. */
export async function act(path: string, body: object): Promise<void> {
  await request(path, { method: "POST", body: JSON.stringify(body) });
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(WAIT_MS) });
  } catch {
    throw new ApiError(0, "The server cannot be reached.");
  }
  const body = (await response.json().catch(() => null)) as { error?: { message?: string; remedy?: string } } | null;
  if (response.ok) return body as T;
  throw new ApiError(response.status, body?.error?.message ?? response.statusText, body?.error?.remedy ?? null);
}
