import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SamplingDecision,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TransportName } from "../../src/observe/observer.ts";
import { createTracing } from "../../src/observe/open-telemetry.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { defineNamespace } from "../../src/session/namespace.ts";
import { devToken, RawClient, startServer, until } from "../harness.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const OTHER_TRACE = "1af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const traceparent = `00-${TRACE}-${PARENT}-01`;

/** Leaves out what a test names so, and otherwise does as the parent. */
const sampler = new ParentBasedSampler({
  root: {
    shouldSample: (_context, _traceId, _name, _kind, attributes) => {
      if (attributes["yamabiko.message.type"] === "faulty") throw new Error("a sampler of the application's");
      const isOut = attributes["yamabiko.message.type"] === "unsampled";
      return { decision: isOut ? SamplingDecision.NOT_RECORD : SamplingDecision.RECORD_AND_SAMPLED };
    },
    toString: () => "of this test",
  },
});

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ sampler, spanProcessors: [new SimpleSpanProcessor(exporter)] });

/** A namespace whose handlers do what an application's do. */
const shop = defineNamespace({
  name: "shop",
  messages: {
    order: {
      async handle(context) {
        await Promise.resolve();
        trace.getTracer("application").startSpan("query").end();
        return context.event("ordered", {});
      },
    },
    unsampled: { handle: (context) => context.event("unsampled", {}) },
    faulty: { handle: (context) => context.event("faulty", {}) },
    broken: {
      handle() {
        throw new Error("the application's fault");
      },
    },
  },
});

let server: Awaited<ReturnType<typeof startServer>> | null = null;
const start = async (options: ServerOptions = {}) => {
  server = await startServer({
    tracing: true,
    namespaces: [shop],
    apiKeys: ["a-key-of-a-back-end"],
    ...options,
  });
  return server;
};
const named = (name: string, spans = exporter.getFinishedSpans()): ReadableSpan[] =>
  spans.filter((span) => span.name === name);
/** The spans of messages of a type, and of their events. */
const of = (name: string, type: string) =>
  named(name).filter((span) => span.attributes["yamabiko.message.type"] === type);
const one = (name: string, type: string): ReadableSpan => {
  const spans = of(name, type);
  expect(spans).toHaveLength(1);
  return spans[0]!;
};
const idOf = (span: Pick<ReadableSpan, "spanContext">) => span.spanContext().spanId;
const traceOf = (span: Pick<ReadableSpan, "spanContext">) => span.spanContext().traceId;
const msOf = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1_000 + nanoseconds / 1e6;

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
});
afterEach(async () => {
  await server?.close();
  server = null;
  exporter.reset();
});
afterAll(() => {
  trace.disable();
  context.disable();
});

/** A client that is in a room, and another one. */
async function twoIn(roomId: string) {
  const [ada, bob] = [await RawClient.open(server!, "ada"), await RawClient.open(server!, "bob")];
  for (const client of [ada, bob]) expect(await client.ask("join_room", { roomId })).toMatchObject({ success: true });
  return { ada, bob };
}

describe("OpenTelemetry spans", () => {
  it("follow a message from a WebSocket into the log and to its readers, in one trace", async () => {
    await start();
    const { ada } = await twoIn("room");
    await ada.ask("send_message", { roomId: "room", content: "a secret" });
    await until(() => of("deliver", "new_message").length === 1);
    const [receive, append] = [one("receive", "send_message"), one("append", "new_message")];
    const deliver = one("deliver", "new_message");
    expect([receive, append, deliver].map(({ kind }) => kind)).toEqual([
      SpanKind.SERVER,
      SpanKind.INTERNAL,
      SpanKind.PRODUCER,
    ]);
    expect(receive.parentSpanContext).toBeUndefined();
    expect(append.parentSpanContext?.spanId).toBe(idOf(receive));
    expect(deliver.parentSpanContext?.spanId).toBe(idOf(append));
    expect(new Set([receive, append, deliver].map(traceOf)).size).toBe(1);
    expect(receive.attributes).toEqual({
      "yamabiko.message.type": "send_message",
      "yamabiko.transport": "websocket",
      "yamabiko.namespace": "chat",
    });
    expect(append.attributes).toEqual({ "yamabiko.message.type": "new_message", "yamabiko.namespace": "chat" });
    expect(deliver.attributes).toEqual({ ...append.attributes, "yamabiko.readers": 2 });
    // It begins where the log has it, and takes no time backwards.
    expect(msOf(deliver.startTime)).toBeGreaterThanOrEqual(msOf(append.startTime));
    expect(msOf(deliver.endTime)).toBeGreaterThan(msOf(deliver.startTime));
    const said = JSON.stringify(
      exporter
        .getFinishedSpans()
        .map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links })),
    );
    expect(said).not.toMatch(/ada|bob|secret|chat:room/);
  });

  it("name the room where that is asked for", async () => {
    await start({ tracing: { rooms: true } });
    const { ada } = await twoIn("room");
    await ada.ask("send_message", { roomId: "room", content: "x" });
    await until(() => of("deliver", "new_message").length === 1);
    for (const span of [one("receive", "send_message"), one("append", "new_message"), one("deliver", "new_message")]) {
      expect(span.attributes["yamabiko.room"]).toBe("chat:room");
    }
  });

  it("ENV-8: belong to the trace that the message names, and readers are not told of it", async () => {
    await start();
    const { ada, bob } = await twoIn("room");
    ada.sendValue({ type: "send_message", payload: { roomId: "room", content: "x" }, messageId: "m1", traceparent });
    const heard = await bob.next("new_message");
    expect(JSON.stringify(heard)).not.toContain(TRACE);
    await until(() => of("deliver", "new_message").length === 1);
    const receive = one("receive", "send_message");
    expect(receive.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT, isRemote: true });
    expect(traceOf(one("deliver", "new_message"))).toBe(TRACE);
  });

  it.each([
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    `00-${TRACE}-0000000000000000-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    "x".repeat(1_000),
    5,
  ])("ENV-8: %s is not a trace, and the message begins one", async (wrong) => {
    await start();
    const { ada } = await twoIn("room");
    ada.sendValue({
      type: "send_message",
      payload: { roomId: "room", content: "x" },
      messageId: "m1",
      traceparent: wrong,
    });
    await until(() => of("receive", "send_message").length === 1);
    expect(one("receive", "send_message").parentSpanContext).toBeUndefined();
  });

  it("ENV-8: a request may name the trace of its messages, and a message another", async () => {
    const { url } = await start();
    const messages = [
      { type: "send_message", payload: { roomId: "room", content: "x" } },
      { type: "set_topic", payload: { roomId: "room" }, traceparent: `00-${OTHER_TRACE}-${PARENT}-01` },
    ];
    const headers = { Authorization: `Bearer ${await devToken(url, "ada")}`, traceparent };
    const answer = await fetch(`${url}/api/messages`, { method: "POST", headers, body: JSON.stringify(messages) });
    expect(answer.status).toBe(200);
    await until(() => named("receive").length === 2);
    const receive = one("receive", "send_message");
    expect(receive.attributes["yamabiko.transport"]).toBe("send");
    expect(receive.parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT });
    expect(traceOf(one("append", "new_message"))).toBe(TRACE);
    expect(traceOf(one("receive", "set_topic"))).toBe(OTHER_TRACE);
  });

  it("ENV-8: an event of a back end belongs to the trace of its request", async () => {
    const { url } = await start();
    const headers = { Authorization: "Bearer a-key-of-a-back-end", traceparent };
    const body = JSON.stringify({ type: "news", payload: { text: "x" } });
    const answer = await fetch(`${url}/api/rooms/feed:news/events`, { method: "POST", headers, body });
    expect(answer.status).toBe(200);
    expect(one("append", "news").parentSpanContext).toMatchObject({ traceId: TRACE, spanId: PARENT });
  });

  it("hold what a handler traces, and an event of the application's own code belongs to its span", async () => {
    const { room } = await start();
    const { ada } = await twoIn("shop:front");
    await ada.ask("order", { roomId: "shop:front" });
    const receive = one("receive", "order");
    expect(named("query")[0]!.parentSpanContext?.spanId).toBe(idOf(receive));
    expect(one("append", "ordered").parentSpanContext?.spanId).toBe(idOf(receive));
    const job = trace.getTracer("application").startSpan("job");
    await context.with(trace.setSpan(context.active(), job), () => room("feed:news").publish("news", {}));
    expect(one("append", "news").parentSpanContext?.spanId).toBe(idOf(job));
  });

  it("are a part of what goes on around a request, and of nothing that goes on where a connection was opened", async () => {
    const tracing = (await createTracing({ version: "0", onFailure: () => {} }))!;
    const around = trace.getTracer("application").startSpan("POST");
    const same = `00-${traceOf(around)}-${PARENT}-01`;
    const said: [TransportName, string | null, string | undefined][] = [
      ["send", null, idOf(around)],
      // The request named the trace that the application's own instrumentation has gone on with.
      ["send", same, idOf(around)],
      ["send", traceparent, PARENT],
      ["websocket", null, undefined],
      ["websocket", same, PARENT],
    ];
    context.with(trace.setSpan(context.active(), around), () => {
      for (const [transport, parent] of said) tracing.received("said", transport, parent).end();
    });
    const parents = of("receive", "said").map(({ parentSpanContext }) => parentSpanContext?.spanId);
    expect(parents).toEqual(said.map(([, , parent]) => parent));
  });

  it("say why a message was refused; an error is only what is the server's own fault", async () => {
    await start();
    const ada = await RawClient.open(server!, "ada");
    await ada.ask("send_message", { roomId: "room", content: "x" });
    await ada.ask("join_room", { roomId: "shop:front" });
    await ada.ask("broken", { roomId: "shop:front" });
    await ada.ask("authenticate", { token: "no token" });
    expect(of("receive", "authenticate").map(({ attributes }) => attributes["error.type"])).toEqual([
      undefined,
      "unauthenticated",
    ]);
    const refused = one("receive", "send_message");
    expect(refused.attributes["error.type"]).toBe("not_joined");
    expect(refused.status.code).toBe(SpanStatusCode.UNSET);
    const broken = one("receive", "broken");
    expect(broken.attributes["error.type"]).toBe("internal");
    expect(broken.status).toEqual({ code: SpanStatusCode.ERROR });
  });

  it("are sampled by the application's SDK, and a message is done all the same when that throws", async () => {
    await start();
    const { ada, bob } = await twoIn("shop:front");
    for (const type of ["unsampled", "faulty"]) {
      expect(await ada.ask(type, { roomId: "shop:front" })).toMatchObject({ success: true });
      await bob.next(type);
    }
    await ada.ask("order", { roomId: "shop:front" });
    await until(() => of("deliver", "ordered").length === 1);
    expect(
      exporter.getFinishedSpans().filter((span) => span.attributes["yamabiko.message.type"] === "unsampled"),
    ).toEqual([]);
    expect(of("deliver", "faulty")).toEqual([]);
  });

  it("are none where nobody asked for them", async () => {
    await start({ tracing: false });
    const { ada } = await twoIn("room");
    await ada.ask("send_message", { roomId: "room", content: "x" });
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
