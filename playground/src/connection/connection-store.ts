import { Emitter } from "../chat/emitter.ts";
import type { Witness } from "../chat/room-store.ts";

/** Where the connection stands, in the client's words. */
export type ConnectionStatus = "connecting" | "connected" | "waiting" | "closed";

/** What the page shows of the connection. */
export interface ConnectionView {
  readonly status: ConnectionStatus;
  readonly transport: string | null;
  readonly latencyMs: number | null;
  /** When the next attempt starts, ms since 1970. */
  readonly retryAt: number | null;
  /** Whether it was up at some time since the page was loaded. */
  readonly before: boolean;
  /** The last time it came back, and how many events had been missed and followed. */
  readonly lastReconnect: { readonly at: number; readonly caughtUp: number } | null;
  readonly events: number;
  readonly gaps: number;
  readonly repeats: number;
}

/** What the store needs of the client. */
export interface WatchedClient {
  readonly status: string;
  readonly transport: string | null;
  readonly latencyMs: number | null;
  readonly retryAt: number | null;
  on(type: "status", run: () => void): () => void;
}

const LOOK_MS = 1_000;

/** Follows the client's connection, and counts what the rooms witness. */
export class ConnectionStore extends Emitter<ConnectionView> implements Witness {
  readonly #client: WatchedClient;

  constructor(client: WatchedClient) {
    super({
      ...read(client),
      before: client.status === "connected",
      lastReconnect: null,
      events: 0,
      gaps: 0,
      repeats: 0,
    });
    this.#client = client;
  }

  /** Starts following; returns the function that stops. */
  start(): () => void {
    const off = this.#client.on("status", () => this.#look());
    // Latency has no event of its own.
    const timer = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
    return () => {
      off();
      clearInterval(timer);
    };
  }

  received(count: number, gaps: number, repeats: number): void {
    const view = this.getSnapshot();
    this.set({ ...view, events: view.events + count, gaps: view.gaps + gaps, repeats: view.repeats + repeats });
  }

  resumed(behind: number): void {
    const view = this.getSnapshot();
    const last = view.lastReconnect;
    if (last !== null) this.set({ ...view, lastReconnect: { at: last.at, caughtUp: last.caughtUp + behind } });
  }

  #look(): void {
    const view = this.getSnapshot();
    const now = read(this.#client);
    const up = now.status === "connected";
    const back = up && view.status !== "connected" && view.before;
    const same =
      now.status === view.status &&
      now.transport === view.transport &&
      now.latencyMs === view.latencyMs &&
      now.retryAt === view.retryAt;
    if (same) return;
    const lastReconnect = back ? { at: Date.now(), caughtUp: 0 } : view.lastReconnect;
    this.set({ ...view, ...now, before: view.before || up, lastReconnect });
  }
}

function read(client: WatchedClient): Pick<ConnectionView, "status" | "transport" | "latencyMs" | "retryAt"> {
  const { status, transport, latencyMs, retryAt } = client;
  const known = status === "connected" || status === "waiting" || status === "connecting" ? status : "closed";
  return { status: known, transport, latencyMs, retryAt };
}
