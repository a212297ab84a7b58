import { describe, expect, it } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import type { Closing } from "./closing.ts";
import { createLogger } from "./logger.ts";
import { createMetricsObserver, createRegistry } from "./metrics.ts";
import { GAUGES, nullObserver } from "./observer.ts";

function setUp() {
  const lines: string[] = [];
  const clock = createFakeClock();
  const registry = createRegistry();
  const logger = createLogger({ destination: { write: (line) => void lines.push(line) } });
  return { lines, clock, registry, observer: createMetricsObserver(registry, logger, clock) };
}

const ENDED: Closing = {
  transport: "websocket",
  reason: "aborted",
  isDraining: false,
  isBehind: false,
  ageMs: 1_234.5,
  address: "192.0.2.1",
  connectionId: "node-1",
  userId: "ann",
};

describe("the metrics observer", () => {
  it("writes one line for a connection, at its end, and none for a request", () => {
    const { lines, observer } = setUp();
    observer.connectionOpened("websocket");
    observer.connectionClosed(ENDED);
    observer.connectionClosed({ ...ENDED, transport: "poll" });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: "info",
      time: expect.any(String),
      connectionId: "node-1",
      userId: "ann",
      address: "192.0.2.1",
      transport: "websocket",
      class: "network",
      reason: "aborted",
      ageMs: 1235,
      msg: "connection ended",
    });
  });

  it("counts what it is told", async () => {
    const { registry, observer } = setUp();
    observer.connectionOpened("websocket");
    observer.connectionOpened("websocket");
    observer.connectionOpened("sse");
    observer.connectionClosed(ENDED);
    observer.messageReceived(100);
    observer.acknowledged("done");
    observer.acknowledged("duplicate");
    observer.delivered(1000, 128_000);
    observer.flushed(2, 3, 1000);
    observer.appended(1);
    observer.readerStalled();
    observer.caughtUp("tail");
    observer.caughtUp("log");
    observer.historyLost("retention");
    observer.refused("access_denied");
    observer.refused("token_expired");
    observer.answered(2);
    observer.reached(3);
    observer.resumed("replayed");
    observer.limited("messagesPerSecond");
    const text = await registry.metrics();
    for (const line of [
      'yamabiko_connections{transport="websocket"} 1',
      'yamabiko_connections{transport="sse"} 1',
      'yamabiko_connections_opened_total{transport="websocket"} 2',
      'yamabiko_disconnects_total{class="network",reason="aborted"} 1',
      "yamabiko_messages_received_total 1",
      'yamabiko_message_bytes_total{direction="in"} 100',
      'yamabiko_acks_total{result="done"} 1',
      'yamabiko_acks_total{result="duplicate"} 1',
      "yamabiko_messages_sent_total 1000",
      'yamabiko_message_bytes_total{direction="out"} 128000',
      "yamabiko_flushes_total 1",
      "yamabiko_flushed_events_total 3",
      "yamabiko_flush_duration_seconds_count 1",
      "yamabiko_events_appended_total 1",
      "yamabiko_room_append_seconds_sum 0.001",
      "yamabiko_outbox_paused_total 1",
      'yamabiko_catch_up_reads_total{source="log"} 1',
      'yamabiko_history_lost_total{reason="retention"} 1',
      'yamabiko_refused_total{code="access_denied"} 1',
      "yamabiko_auth_failures_total 1",
      "yamabiko_ack_latency_seconds_sum 0.002",
      "yamabiko_delivery_latency_seconds_sum 0.003",
      'yamabiko_resume_total{result="replayed"} 1',
      'yamabiko_rate_limited_total{limit="messagesPerSecond"} 1',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
  });

  it("counts the same when read twice", async () => {
    const { registry, observer } = setUp();
    observer.delivered(7, 70);
    await registry.metrics();
    expect(await registry.metrics()).toContain("yamabiko_messages_sent_total 7\n");
  });

  it("reads gauges when asked, adds up their readers, and forgets what was taken back", async () => {
    const { registry, observer } = setUp();
    let rooms = 3;
    const remove = observer.gauge("rooms", () => rooms);
    observer.gauge("rooms", () => 10);
    expect(await registry.metrics()).toContain("yamabiko_rooms 13\n");
    rooms = 5;
    expect(await registry.metrics()).toContain("yamabiko_rooms 15\n");
    remove();
    expect(await registry.metrics()).toContain("yamabiko_rooms 10\n");
  });

  it("shows every gauge, even one nobody registered", async () => {
    const { registry } = setUp();
    const text = await registry.metrics();
    for (const name of Object.keys(GAUGES)) expect(text).toContain(`yamabiko_${name} 0\n`);
  });

  it("logs a failure with its place, and only counts a flood of them", async () => {
    const { lines, clock, registry, observer } = setUp();
    for (let i = 0; i < 100; i++) observer.failure("log.append", new Error("disk full"));
    expect(lines).toHaveLength(5);
    expect(lines[0]).toContain("disk full");
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "error", where: "log.append" });
    await clock.advance(1000);
    observer.failure("log.append", new Error("disk full"));
    expect(lines).toHaveLength(7);
    expect(JSON.parse(lines[5]!)).toMatchObject({ suppressed: 95 });
    expect(await registry.metrics()).toContain('yamabiko_failures_total{where="log.append"} 101');
  });

  it("tells about the process only when asked to", async () => {
    expect(await createRegistry().metrics()).not.toContain("process_cpu");
    expect(await createRegistry({ process: true }).metrics()).toContain("yamabiko_process_cpu_seconds_total");
  });
});

describe("the null observer", () => {
  it("takes every call", () => {
    nullObserver.delivered(1, 1);
    nullObserver.failure("somewhere", new Error("x"));
    expect(nullObserver.gauge("rooms", () => 1)()).toBeUndefined();
  });
});
