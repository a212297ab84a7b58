import type { Attributes, Context, Span, SpanContext, Tracer } from "@opentelemetry/api";
import { type ErrorCode, toYamabikoError } from "../protocol/index.ts";
import type { AppendSpan, EventTrace, MessageSpan, Tracing } from "./tracing.ts";
import { REQUEST_TRANSPORTS, type TransportName } from "./transport-name.ts";

type Api = typeof import("@opentelemetry/api");

/** What spans say. */
export interface TracingOptions {
  /** Whether they name the room, `yamabiko.room`; what rooms are called may say who talks to whom. Default: false. */
  readonly rooms?: boolean | undefined;
}

/** What spans are made with. */
export interface TracingParts extends TracingOptions {
  /** The version of the server, which the tracer carries. */
  readonly version: string;
  /** Told when the application's own sampler or processor throws; the message goes on without a span. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Spans by OpenTelemetry, for whatever SDK the application sets up in this process, before or after; without one nobody collects them.
 * Null when the package `@opentelemetry/api` is not installed.
 * @param load imports the package.
 */
export async function createTracing(
  parts: TracingParts,
  load: () => Promise<unknown> = () => import("@opentelemetry/api"),
): Promise<Tracing | null> {
  try {
    return new OpenTelemetry((await load()) as Api, parts);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw error;
    return null;
  }
}

/** The names of what spans say. */
const NAMESPACE = "yamabiko.namespace";
const ROOM = "yamabiko.room";
const TYPE = "yamabiko.message.type";
const TRANSPORT = "yamabiko.transport";
const READERS = "yamabiko.readers";
const DUPLICATE = "yamabiko.duplicate";
const ERROR_TYPE = "error.type";

/** Refusals that are the server's own fault, or its machine's: these spans are errors. */
const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["internal", "unavailable"]);

class OpenTelemetry implements Tracing {
  readonly api: Api;
  readonly tracer: Tracer;
  readonly #parts: TracingParts;

  constructor(api: Api, parts: TracingParts) {
    this.api = api;
    this.tracer = api.trace.getTracer("yamabiko", parts.version);
    this.#parts = parts;
  }

  received(type: string, transport: TransportName, traceparent: string | null): MessageSpan {
    return this.attempt((): MessageSpan => {
      const { api, tracer } = this;
      // A connection lives on in the span of the request that opened it, which is over; only a request is part of what goes on around it.
      const around = REQUEST_TRANSPORTS.has(transport) ? api.context.active() : api.ROOT_CONTEXT;
      const parent = this.#within(around, traceparent);
      const attributes = { [TYPE]: type, [TRANSPORT]: transport };
      const span = tracer.startSpan("receive", { kind: api.SpanKind.SERVER, attributes }, parent);
      return new Received(this, span, api.trace.setSpan(parent, span));
    }, UNTRACED);
  }

  appending(roomId: string, type: string, cause: MessageSpan | string | null): AppendSpan {
    return this.attempt((): AppendSpan => {
      const { api, tracer } = this;
      const parent =
        cause instanceof Received
          ? cause.context
          : this.#within(api.context.active(), typeof cause === "string" ? cause : null);
      const attributes = this.#attributesOf(roomId, type);
      const span = tracer.startSpan("append", { attributes }, parent);
      return new Appending(this, span, api.trace.setSpan(parent, span), attributes);
    }, UNTRACED);
  }

  heard(roomId: string, type: string, traceparent: string): EventTrace | null {
    const remote = parseTraceparent(traceparent);
    if (remote === null) return null;
    const context = this.api.trace.setSpanContext(this.api.ROOT_CONTEXT, remote);
    return new Delivering(this, context, this.#attributesOf(roomId, type));
  }

  async flush(): Promise<void> {
    try {
      // Not part of the API; SDKs have it, behind the stand-in that the API gives.
      const given = this.api.trace.getTracerProvider() as { getDelegate?(): unknown };
      const provider = (given.getDelegate?.() ?? given) as { forceFlush?(): Promise<void> };
      await provider.forceFlush?.();
    } catch (error) {
      this.#parts.onFailure(error);
    }
  }

  /** What the application's SDK throws stays here. */
  attempt<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.#parts.onFailure(error);
      return otherwise;
    }
  }

  namesRoom(roomId: string): Attributes {
    return this.#parts.rooms === true ? { [ROOM]: roomId } : {};
  }

  #attributesOf(roomId: string, type: string): Attributes {
    return { [NAMESPACE]: roomId.slice(0, roomId.indexOf(":")), [TYPE]: type, ...this.namesRoom(roomId) };
  }

  /** Where a span belongs that comes with a `traceparent`: there, unless what goes on around it is a part of that trace already. */
  #within(around: Context, traceparent: string | null): Context {
    const { trace, ROOT_CONTEXT } = this.api;
    const remote = traceparent === null ? null : parseTraceparent(traceparent);
    if (remote === null || trace.getSpanContext(around)?.traceId === remote.traceId) return around;
    return trace.setSpanContext(ROOT_CONTEXT, remote);
  }
}

class Received implements MessageSpan {
  readonly context: Context;
  readonly #tracing: OpenTelemetry;
  readonly #span: Span;

  constructor(tracing: OpenTelemetry, span: Span, context: Context) {
    this.#tracing = tracing;
    this.#span = span;
    this.context = context;
  }

  about(namespace: string, roomId: string | null): void {
    const room = roomId === null ? {} : this.#tracing.namesRoom(roomId);
    this.#span.setAttributes({ [NAMESPACE]: namespace, ...room });
  }

  run<T>(work: () => T): T {
    return this.#tracing.api.context.with(this.context, work);
  }

  refused(code: ErrorCode): void {
    fail(this.#tracing.api, this.#span, code);
  }

  end(): void {
    this.#tracing.attempt(() => this.#span.end(), undefined);
  }
}

class Delivering implements EventTrace {
  readonly #tracing: OpenTelemetry;
  readonly #parent: Context;
  readonly #attributes: Attributes;
  /** When this node came to know that it is durable, by `performance.now`, ms. */
  protected since = performance.now();

  constructor(tracing: OpenTelemetry, parent: Context, attributes: Attributes) {
    this.#tracing = tracing;
    this.#parent = parent;
    this.#attributes = attributes;
  }

  delivered(readers: number): void {
    const { api, tracer } = this.#tracing;
    const attributes = { ...this.#attributes, [READERS]: readers };
    const options = { kind: api.SpanKind.PRODUCER, startTime: this.since, attributes };
    this.#tracing.attempt(() => tracer.startSpan("deliver", options, this.#parent).end(performance.now()), undefined);
  }
}

class Appending extends Delivering implements AppendSpan {
  readonly traceparent: string | null;
  readonly #own: OpenTelemetry;
  readonly #span: Span;

  constructor(tracing: OpenTelemetry, span: Span, context: Context, attributes: Attributes) {
    super(tracing, context, attributes);
    this.#own = tracing;
    this.#span = span;
    this.traceparent = span.isRecording() ? formatTraceparent(span.spanContext()) : null;
  }

  appended(duplicate: boolean): void {
    if (duplicate) this.#span.setAttribute(DUPLICATE, true);
    this.#own.attempt(() => this.#span.end(), undefined);
    this.since = performance.now();
  }

  failed(error: unknown): void {
    fail(this.#own.api, this.#span, toYamabikoError(error).code);
    this.#own.attempt(() => this.#span.end(), undefined);
  }
}

function fail({ SpanStatusCode }: Api, span: Span, code: ErrorCode): void {
  span.setAttribute(ERROR_TYPE, code);
  if (OWN_FAULTS.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
}

/** What stands in for a span that could not be made. */
const UNTRACED: MessageSpan & AppendSpan = {
  traceparent: null,
  about() {},
  run: (work) => work(),
  refused() {},
  end() {},
  appended() {},
  failed() {},
  delivered() {},
};

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** Reads a `traceparent` (W3C Trace Context, level 1); one of a later version by what it has in common with it. Null for none. */
function parseTraceparent(text: string): SpanContext | null {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return null;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return null;
  return { traceId: traceId!, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16) & 1, isRemote: true };
}

function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}
