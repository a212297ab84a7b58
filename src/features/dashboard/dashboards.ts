import { z } from "zod";
import {
  type Clock,
  type Json,
  type JsonObject,
  parseRoomId,
  systemClock,
  validate,
  YamabikoError,
} from "../../protocol/index.ts";
import { type AccessRule, type Context, defineNamespace, message, type Namespace } from "../../session/namespace.ts";
import type { BackFill, Latest } from "./back-fill.ts";
import { DashboardRoom, SERIES } from "./dashboard-room.ts";
import type { DashboardHost } from "./host.ts";
import { Pace } from "./pace.ts";
import {
  MAX_NAME,
  metricsUpdate,
  type Published,
  published,
  type ReaderOptions,
  readerOptions,
  readerQuery,
  type Values,
  values,
} from "./schemas.ts";
import { everySecond } from "./second-timer.ts";

export type { BackFill as MetricsBackFill } from "./back-fill.ts";
export type { DashboardHost } from "./host.ts";
export type {
  Published as PublishedMetrics,
  ReaderOptions as DashboardReaderOptions,
  Values as MetricValues,
} from "./schemas.ts";

/** What may be said about dashboards. All of it has a default. */
export interface DashboardOptions {
  /** Series of one dashboard. Default: 256. */
  series?: number;
  /** Series of all dashboards on this node; each takes 48,000 bytes. Default: 1,000. */
  seriesInAll?: number;
  /** Dashboards with series on this node; the longest unused that nobody reads makes room. Default: 100. */
  dashboards?: number;
  /** Values published to one dashboard by code and back ends, per second, burst twice that; 0 for no limit. Default: 10,000. */
  valuesPerSecond?: number;
  /** Messages of one user who publishes to a dashboard, per second, burst twice that. Default: 50. */
  messagesPerSecond?: number;
  /** Who may read and write. Default: every authenticated user reads; users whose claim `rooms` says so write. */
  access?: AccessRule;
}

/** A dashboard as the list tells it. */
export interface ListedDashboard {
  readonly name: string;
  /** How many series it has. */
  readonly series: number;
  /** When something was last published, ms since 1970. */
  readonly updatedAt: number;
}

/** What a server does with dashboards, besides what clients send. */
export interface DashboardService {
  /** Hands over what it stands on, before anything else, and begins to measure. Again only after `close`. */
  attach(host: DashboardHost): void;
  /**
   * Sets the newest value of each series, now; null is a gap. Resolves when readers are being told.
   * Rejects with `invalid_message` for what does not fit, `rate_limited` when it is too much, `access_denied` for `system`.
   */
  publish(name: string, values: Values): Promise<Published>;
  /** `POST /api/dashboards/:name`: `publish` as a body says it. */
  publishRequest(name: string, body: unknown): Promise<Published>;
  /** The newest slots of a dashboard. Default: the last 60 seconds. */
  read(name: string, options?: Partial<ReaderOptions>): Promise<BackFill>;
  /** `GET /api/dashboards/:name`: the same, as the query of a URL says it. */
  readRequest(name: string, query: URLSearchParams): Promise<BackFill>;
  /** The dashboards that have series on this node, by name. */
  list(): ListedDashboard[];
  /** How many series there are on this node. */
  readonly series: number;
  /** Stops measuring. */
  close(): void;
}

/** The namespace of dashboards. */
const DASHBOARD = "dashboard";
/** The server's own dashboard. */
const SYSTEM = "system";
/** How often a reader is told at most, unless it says otherwise, per second. */
const MAX_HZ = 10;

/**
 * Dashboards: the newest value of each series, and the slots of time behind it, in memory (PROTOCOL.md, section Dashboards).
 * `dashboard:system` is the server's own. What the server does with it is `service`.
 *
 * @throws {RangeError} when a number is not a whole one, or less than 1 where there is no "no limit".
 */
export function dashboards(options: DashboardOptions = {}) {
  const service = new Service(options);
  const namespace = defineNamespace({
    name: DASHBOARD,
    messages: {
      publish_metrics: message({
        payload: z.object({ values }),
        ack: published,
        joined: false,
        handle: (context, { values: given }) => service.handlePublish(context, given),
      }),
    },
    events: { metrics_update: metricsUpdate },
    state: {
      [SERIES]: {
        event: "metrics_update",
        change: (key: string, value: Json, last: Json) => updateOf([{ key, value, last }]) ?? {},
        changes: updateOf,
      },
    },
    access: options.access ?? readersByDefault,
    joinOptions: readerOptions,
    maxHz: MAX_HZ,
    messagesPerSecond: count("messagesPerSecond", options.messagesPerSecond, 50),
    open: (room) => service.handleOpen(room),
    onJoin: async ({ feature }) => {
      await (feature as DashboardRoom).ready;
      return undefined;
    },
  });
  return { ...namespace, service: service as DashboardService };
}

/** The types of dashboards for the client: `client.join<DashboardNamespace>("dashboard:system")`. */
export type DashboardNamespace = ReturnType<typeof dashboards>;

/** The service of a namespace that `dashboards` made; null for any other. */
export function dashboardServiceOf(namespace: Namespace | undefined): DashboardService | null {
  const { service } = (namespace ?? {}) as { service?: unknown };
  return service instanceof Service ? service : null;
}

/** Everybody reads. Who writes must have been told so by name: a claim that allows it has been checked before this is asked. */
const readersByDefault: AccessRule = ({ right, user }) => right === "read" || Object.hasOwn(user.claims, "rooms");

/** One payload for all that changed: the newest values, and the times of those that are of an earlier second than the newest. */
function updateOf(changes: readonly { key: string; value: Json; last: Json }[]): JsonObject | null {
  let t = 0;
  for (const { value } of changes) if (value !== null) t = Math.max(t, (value as unknown as Latest)[0]);
  if (t === 0) return null;
  const second = Math.floor(t / 1_000);
  const told: { [series: string]: number | null } = {};
  const times: { [series: string]: number } = {};
  for (const { key, value } of changes) {
    if (value === null) continue;
    const [at, is] = value as unknown as Latest;
    told[key] = is;
    if (Math.floor(at / 1_000) !== second) times[key] = at;
  }
  return Object.keys(times).length === 0 ? { t, values: told } : { t, values: told, times };
}

class Service implements DashboardService {
  readonly #options: Required<Pick<DashboardOptions, "series" | "seriesInAll" | "dashboards" | "valuesPerSecond">>;
  /** The dashboards whose rooms are open here, by name. */
  readonly #open = new Map<string, DashboardRoom>();
  /** How fast each of them may be published to. */
  readonly #paces = new WeakMap<DashboardRoom, Pace>();
  #host: DashboardHost | null = null;
  #stop: (() => void) | null = null;

  constructor(options: DashboardOptions) {
    this.#options = {
      series: count("series", options.series, 256),
      seriesInAll: count("seriesInAll", options.seriesInAll, 1_000),
      dashboards: count("dashboards", options.dashboards, 100),
      valuesPerSecond: count("valuesPerSecond", options.valuesPerSecond, 10_000, 0),
    };
  }

  attach(host: DashboardHost): void {
    if (this.#host !== null) throw new TypeError("these dashboards belong to a server already");
    this.#host = host;
    this.#stop = everySecond(host.clock, (t) => {
      this.#measure(t).catch((error: unknown) => host.failure("measuring the system", error));
    });
  }

  async publish(name: string, given: Values): Promise<Published> {
    const checked = await validate(values, given);
    if (name === SYSTEM) throw ownDashboard();
    return this.#using(checkName(name), (dashboard) => {
      const waitMs = this.#paceOf(dashboard).take(Object.keys(checked).length);
      if (waitMs > 0) {
        throw new YamabikoError("rate_limited", "Too many values for one dashboard.", { retryAfterMs: waitMs });
      }
      return this.#publish(dashboard, checked, this.#clock.now());
    });
  }

  publishRequest(name: string, body: unknown): Promise<Published> {
    return this.publish(name, body as Values);
  }

  async read(name: string, options: Partial<ReaderOptions> = {}): Promise<BackFill> {
    const checked = await validate(readerOptions, options);
    return this.#using(name, async (dashboard) => {
      await dashboard.ready;
      return dashboard.backFill(checked);
    });
  }

  async readRequest(name: string, query: URLSearchParams): Promise<BackFill> {
    return this.read(name, await validate(readerQuery, Object.fromEntries(query)));
  }

  list(): ListedDashboard[] {
    return Array.from(this.#open, ([name, { series, newestAt }]) => ({ name, series, updatedAt: newestAt ?? 0 }))
      .filter(({ series }) => series > 0)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get series(): number {
    let series = 0;
    for (const dashboard of this.#open.values()) series += dashboard.series;
    return series;
  }

  close(): void {
    this.#stop?.();
    this.#host = null;
  }

  handleOpen(room: DashboardRoom["room"]): DashboardRoom {
    const { name } = parseRoomId(room.roomId);
    // What the server measures is not turned away for what others publish.
    const isBounded = name !== SYSTEM;
    const dashboard = new DashboardRoom(room, {
      series: isBounded ? this.#options.series : Number.POSITIVE_INFINITY,
      isAlone: this.#host?.node == null,
      seriesLeft: () => (isBounded ? this.#options.seriesInAll - this.series : Number.POSITIVE_INFINITY),
      closed: (closed) => {
        if (this.#open.get(name) === closed) this.#open.delete(name);
      },
    });
    this.#open.set(name, dashboard);
    return dashboard;
  }

  handlePublish({ roomId, feature, now }: Context, given: Values): Published {
    const { name } = parseRoomId(roomId);
    if (name === SYSTEM) throw ownDashboard();
    checkName(name);
    return this.#publish(feature as DashboardRoom, given, now);
  }

  #publish(dashboard: DashboardRoom, given: Values, t: number): Published {
    if (dashboard.series === 0) this.#makeRoom();
    return dashboard.publish(given, t);
  }

  /** The dashboard nobody reads that was published to the longest ago makes room for a new one. */
  #makeRoom(): void {
    const inUse = Array.from(this.#open.values()).filter(({ series }) => series > 0);
    if (inUse.length < this.#options.dashboards) return;
    const [oldest] = inUse
      .filter(({ room }) => room.readers === 0 && room.roomId !== `${DASHBOARD}:${SYSTEM}`)
      .sort((a, b) => (a.newestAt ?? 0) - (b.newestAt ?? 0));
    if (oldest === undefined)
      throw new YamabikoError("unavailable", "There are too many dashboards, and all are being read.");
    oldest.clear();
  }

  async #measure(t: number): Promise<void> {
    const { sample, node } = this.#parts;
    const measured = Object.entries(sample());
    const marked = node === null ? measured : measured.map(([series, value]) => [`${series}@${node}`, value] as const);
    await this.#using(SYSTEM, (dashboard) => dashboard.publish(Object.fromEntries(marked), t));
  }

  /** Opens a dashboard for as long as `use` takes; with series it then stays by itself. */
  async #using<Result>(name: string, use: (dashboard: DashboardRoom) => Result | Promise<Result>): Promise<Result> {
    const { roomId } = parseRoomId(`${DASHBOARD}:${name}`);
    const release = await this.#parts.hold(roomId);
    try {
      return await use(this.#open.get(name)!);
    } finally {
      release();
    }
  }

  #paceOf(dashboard: DashboardRoom): Pace {
    let pace = this.#paces.get(dashboard);
    if (pace === undefined) {
      pace = new Pace(this.#options.valuesPerSecond, this.#clock);
      this.#paces.set(dashboard, pace);
    }
    return pace;
  }

  get #clock(): Clock {
    return this.#host?.clock ?? systemClock;
  }

  get #parts(): DashboardHost {
    if (this.#host === null) throw new TypeError("dashboards need a server: pass them to `createServer`");
    return this.#host;
  }
}

/** A name that may be published to; reading takes any that a room may have. */
function checkName(name: string): string {
  const { name: parsed } = parseRoomId(`${DASHBOARD}:${name}`);
  if (parsed.length <= MAX_NAME && !/[/|:]/.test(parsed)) return parsed;
  throw new YamabikoError("invalid_message", `A dashboard's name has at most ${MAX_NAME} characters, and no / | or :.`);
}

function ownDashboard(): YamabikoError {
  return new YamabikoError("access_denied", `The dashboard "${SYSTEM}" is the server's own.`, {
    remedy: "Publish to a dashboard of another name; it is there from then on.",
  });
}

function count(name: string, value: number | undefined, byDefault: number, least = 1): number {
  const number = value ?? byDefault;
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new RangeError(`dashboards: ${name} must be a whole number, at least ${least}`);
}
