import { type DashboardService, dashboardServiceOf, dashboards } from "../features/index.ts";
import type { Observer } from "../observe/observer.ts";
import { createSystemGauge } from "../observe/system-gauge.ts";
import type { Totals } from "../observe/tally.ts";
import { type Clock, parseRoomId } from "../protocol/index.ts";
import type { Rooms } from "../room/rooms.ts";
import type { Namespace } from "../session/namespace.ts";
import { kindOf } from "../session/room-kind.ts";

export interface DashboardParts {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** Rejects when the log cannot be opened. */
  rooms(): Promise<Rooms>;
  readonly totals: Readonly<Totals>;
  readonly clock: Clock;
  readonly observer: Observer;
  /** What this node's own series are marked with; null where it is alone. */
  readonly node: string | null;
}

/** The dashboards of a server, while they are attached to it. */
export interface Dashboards {
  readonly service: DashboardService;
  /** Stops measuring. */
  close(): void;
}

/** The namespace of dashboards, as every server has it. */
export function dashboardNamespace(): Namespace {
  return dashboards();
}

/**
 * Gives the dashboards of the namespace `dashboard` what they stand on, and begins to measure. Null when the application's own
 * namespace has taken its place and has none.
 */
export function attachDashboards(parts: DashboardParts): Dashboards | null {
  const { namespaces, totals, clock, observer, node } = parts;
  const namespace = namespaces.get("dashboard");
  const service = dashboardServiceOf(namespace);
  if (namespace === undefined || service === null) return null;
  const system = createSystemGauge(clock);
  const rates = createRates(totals, clock);
  let rooms: Rooms | null = null;
  service.attach({
    clock,
    node,
    async hold(roomId) {
      rooms ??= await parts.rooms();
      return (await rooms.open(parseRoomId(roomId).roomId, kindOf(namespace))).pin();
    },
    sample: () => ({ ...system.read(), connections: totals.connections, rooms: rooms?.count ?? 0, ...rates() }),
    failure: (where, error) => observer.failure(where, error),
  });
  observer.gauge("dashboard_series", () => service.series);
  return {
    service,
    close() {
      service.close();
      system.close();
    },
  };
}

/** Makes what gives, by series, how often each happened per second since it was last asked. */
function createRates(totals: Readonly<Totals>, clock: Clock): () => Record<string, number> {
  let before = { ...totals, at: clock.monotonic() };
  return () => {
    const now = { ...totals, at: clock.monotonic() };
    const seconds = Math.max(0.001, (now.at - before.at) / 1_000);
    const rate = (count: number): number => Math.round((count / seconds) * 100) / 100;
    const rates = {
      messages_in: rate(now.received - before.received),
      messages_out: rate(now.delivered - before.delivered),
      requests: rate(now.requests - before.requests),
      acks: rate(now.acks - before.acks),
    };
    before = now;
    return rates;
  };
}
