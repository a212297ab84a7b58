import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type Clock, systemClock } from "../protocol/index.ts";
import { type CloseClass, type Closing, classOf } from "./closing.ts";
import { Durations } from "./durations.ts";
import type { Logger } from "./logger.ts";
import { GAUGES, type GaugeName, type Observer } from "./observer.ts";
import { REQUEST_TRANSPORTS } from "./transport-name.ts";

const PREFIX = "yamabiko_";

/** Failures of one place that are logged within a second; more are only counted. */
const LOGGED_FAILURES_PER_SECOND = 5;

export interface RegistryOptions {
  /** Also the process itself: CPU, memory, event loop lag, garbage collection. Default: false. */
  readonly process?: boolean;
}

/** Makes a registry of its own, so that two servers in one process do not share numbers. */
export function createRegistry(options: RegistryOptions = {}): Registry {
  const registry = new Registry();
  if (options.process === true) collectDefaultMetrics({ register: registry, prefix: PREFIX });
  return registry;
}

/** The metrics of several processes (`Registry.getMetricsAsJSON`) as those of one, in Prometheus' text format. */
export function aggregateMetrics(processes: object[]): Promise<string> {
  return AggregatorRegistry.aggregate(processes).metrics();
}

/**
 * An observer that counts into `registry` and logs failures to `logger`.
 *
 * No metric has a label for a room, a user or anything else a client can choose, so the number of series is fixed. The
 * frequent calls are additions; prom-client is only touched when somebody reads.
 */
export function createMetricsObserver(registry: Registry, logger: Logger, clock: Clock = systemClock): Observer {
  const sum = (name: string, help: string): ((by: number) => void) => {
    let total = 0;
    new Counter({
      name: PREFIX + name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(total);
      },
    });
    return (by) => {
      total += by;
    };
  };
  const sumBy = (name: string, help: string, label: string): ((value: string) => void) => {
    const totals = new Map<string, number>();
    new Counter({
      name: PREFIX + name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, total] of totals) this.inc({ [label]: value }, total);
      },
    });
    return (value) => void totals.set(value, (totals.get(value) ?? 0) + 1);
  };

  const open = new Map<string, number>();
  new Gauge({
    name: `${PREFIX}connections`,
    help: "open connections",
    labelNames: ["transport"],
    registers: [registry],
    collect() {
      for (const [transport, count] of open) this.set({ transport }, count);
    },
  });
  const opened = sumBy("connections_opened_total", "connections opened", "transport");
  const closed = new Map<string, { readonly labels: { class: string; reason: string }; count: number }>();
  new Counter({
    name: `${PREFIX}disconnects_total`,
    help: "connections closed, by the kind of end and the close reason",
    labelNames: ["class", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, count } of closed.values()) this.inc(labels, count);
    },
  });
  const requests = sum("http_requests_total", "HTTP requests");
  const received = sum("messages_received_total", "messages received");
  const bytes = { in: 0, out: 0 };
  new Counter({
    name: `${PREFIX}message_bytes_total`,
    help: "bytes of messages received (in) and handed to transports (out)",
    labelNames: ["direction"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [direction, total] of Object.entries(bytes)) this.inc({ direction }, total);
    },
  });
  const acks = sumBy("acks_total", "acks sent, by result", "result");
  const deliveries = sum("messages_sent_total", "messages handed to a transport, one per reader");
  const flushes = sum("flushes_total", "flushes of a room");
  const flushedEvents = sum("flushed_events_total", "events flushed, not multiplied by readers");
  const ticks = sumBy("ticks_total", "ticks readers were given or were left out of, by result", "result");
  const lostSteps = sum("game_tick_overrun_total", "steps of games left out because the process was held up");
  const appends = sum("events_appended_total", "events made durable");
  const stalled = sum("outbox_paused_total", "readers that became cursors because their socket took no bytes");
  const catchUps = sumBy("catch_up_reads_total", "pages served to readers that were not live, by source", "source");
  const lost = sumBy("history_lost_total", "readers told that history is gone, by reason", "reason");
  const refusals = sumBy("refused_total", "messages and requests refused, by error code", "code");
  const limits = sumBy("rate_limited_total", "times a limit was hit, by limit", "limit");
  const resumes = sumBy("resume_total", "cursors clients came back with, by how they were served", "result");
  const authFailures = sum("auth_failures_total", "credentials that were missing, not accepted, or expired");
  const alerts = sumBy(
    "disconnect_alerts_total",
    "times more connections than usual ended, by the kind of end",
    "class",
  );
  const failures = sumBy("failures_total", "failures that are not the client's, by place", "where");
  const answering = new Durations(
    `${PREFIX}ack_latency_seconds`,
    "time from a message that came in to its answer",
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registry,
  );
  const reaching = new Durations(
    `${PREFIX}delivery_latency_seconds`,
    "time from a durable event to its being handed to the room's live readers, of the oldest in each flush",
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
    registry,
  );
  const flushing = new Durations(
    `${PREFIX}flush_duration_seconds`,
    "time of one flush of a room",
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
    registry,
  );
  const appending = new Durations(
    `${PREFIX}room_append_seconds`,
    "time from asking the log to a durable event",
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registry,
  );
  const stepping = new Durations(
    `${PREFIX}game_tick_seconds`,
    "time of one step of a game, with its ticks on their way",
    [0.0001, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.1],
    registry,
  );
  const linkSeconds = new Histogram({
    name: `${PREFIX}link_duration_seconds`,
    help: "time from asking what holds the log, or carries the bus, to its answer",
    labelNames: ["link"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  });
  const linksUp = new Gauge({
    name: `${PREFIX}link_up`,
    help: "whether there is a connection to what holds the log, or carries the bus",
    labelNames: ["link"],
    registers: [registry],
  });
  const linksMade = sumBy(
    "link_connections_total",
    "connections made to what holds the log, or carries the bus",
    "link",
  );
  const dropped = sum("notices_dropped_total", "notices for other nodes that could not leave");

  const stalls = sum("stalls_total", "times the event loop stood still for half a second or more");
  const stallSeconds = sum("stall_seconds_total", "time in which the event loop stood still");

  const readers = new Map<GaugeName, Set<() => number>>();
  for (const name of Object.keys(GAUGES) as GaugeName[]) {
    const registered = new Set<() => number>();
    readers.set(name, registered);
    new Gauge({
      name: PREFIX + name,
      help: GAUGES[name],
      registers: [registry],
      collect() {
        let total = 0;
        for (const read of registered) total += safely(read, name);
        this.set(total);
      },
    });
  }

  const windows = new Map<string, { since: number; count: number }>();
  const mayLog = (where: string): boolean => {
    const now = clock.monotonic();
    const window = windows.get(where);
    if (window === undefined || now - window.since >= 1000) {
      if (window !== undefined && window.count > LOGGED_FAILURES_PER_SECOND) {
        logger.warn({ where, suppressed: window.count - LOGGED_FAILURES_PER_SECOND }, "more failures of the same kind");
      }
      windows.set(where, { since: now, count: 1 });
      return true;
    }
    window.count++;
    return window.count <= LOGGED_FAILURES_PER_SECOND;
  };

  const failure = (where: string, error: unknown): void => {
    failures(where);
    if (mayLog(where)) logger.error({ where, err: error }, "failure");
  };
  /** A namespace's own gauge may throw; the other numbers are shown all the same. */
  const safely = (read: () => number, name: GaugeName): number => {
    try {
      return read();
    } catch (error) {
      failure(`reading the gauge ${name}`, error);
      return 0;
    }
  };

  return {
    connectionOpened(transport) {
      open.set(transport, (open.get(transport) ?? 0) + 1);
      opened(transport);
    },
    connectionClosed(closing) {
      const { transport, reason } = closing;
      const kind = classOf(closing);
      open.set(transport, (open.get(transport) ?? 0) - 1);
      const key = `${kind} ${reason}`;
      const known = closed.get(key);
      if (known === undefined) closed.set(key, { labels: { class: kind, reason }, count: 1 });
      else known.count++;
      if (!REQUEST_TRANSPORTS.has(transport)) logClosing(logger, kind, closing);
    },
    requested: () => requests(1),
    messageReceived(size) {
      received(1);
      bytes.in += size;
    },
    acknowledged: acks,
    answered: (durationMs) => answering.observe(durationMs),
    reached: (durationMs) => reaching.observe(durationMs),
    resumed: resumes,
    delivered(count, size) {
      deliveries(count);
      bytes.out += size;
    },
    flushed(durationMs, events) {
      flushes(1);
      flushedEvents(events);
      flushing.observe(durationMs);
    },
    ticked: ticks,
    stepped(durationMs, lost) {
      stepping.observe(durationMs);
      lostSteps(lost);
    },
    appended(durationMs) {
      appends(1);
      appending.observe(durationMs);
    },
    readerStalled: () => stalled(1),
    caughtUp: catchUps,
    historyLost: lost,
    refused(code) {
      refusals(code);
      if (code === "unauthenticated" || code === "token_expired") authFailures(1);
    },
    limited: limits,
    linkChanged(link, isUp) {
      linksUp.set({ link }, isUp ? 1 : 0);
      if (isUp) linksMade(link);
    },
    linkAnswered: (link, durationMs) => linkSeconds.observe({ link }, durationMs / 1000),
    noticeDropped: () => dropped(1),
    alerted: alerts,
    stalled(durationMs) {
      stalls(1);
      stallSeconds(durationMs / 1000);
      logger.warn({ stallMs: Math.round(durationMs) }, "the event loop stood still");
    },
    failure,
    gauge(name, read) {
      const registered = readers.get(name);
      registered?.add(read);
      return () => void registered?.delete(read);
    },
  };
}

/** The one line of a connection's life. */
function logClosing(logger: Logger, kind: CloseClass, closing: Closing): void {
  const { connectionId, userId, address, transport, reason, ageMs } = closing;
  const line = { connectionId, userId, address, transport, class: kind, reason, ageMs: Math.round(ageMs) };
  logger.info(line, "connection ended");
}
