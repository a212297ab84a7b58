import type { JsonObject, Limits, Schema } from "../../protocol/index.ts";
import type { MessageDefinition, Namespace } from "../../session/namespace.ts";
import { type CoreMessage, coreMessages } from "./core-messages.ts";
import { EXAMPLES } from "./examples.ts";
import { type Dialect, type JsonSchema, jsonSchemaOf, withMembers } from "./json-schema.ts";
import { object, ref, SHARED_SCHEMAS } from "./shared-schemas.ts";

/** What the two documents are made from. */
export interface WireParts {
  /** In the order in which they are shown. */
  readonly namespaces: readonly Namespace[];
  readonly limits: Limits;
  /** Whether messages without a room go to a default one. */
  readonly hasDefaultRoom: boolean;
}

/** One kind of message on the wire. */
export interface WireMessage {
  /** Its name in a document: the type, after its namespace and a dot where it has one. Unique. */
  readonly name: string;
  /** The `type` of the envelope; `*` for any. */
  readonly type: string;
  readonly kind: "message" | "ack" | "event" | "state" | "core";
  readonly from: "client" | "server";
  /** The name of its namespace; null for those of the protocol. */
  readonly namespace: string | null;
  /** Whether it is about a room. */
  readonly inRoom: boolean;
  readonly summary: string;
  /** The whole envelope. */
  readonly schema: JsonSchema;
  /** What the server says to it, by name. */
  readonly replies: readonly string[];
  readonly example?: JsonObject;
}

/** Every kind of message on the wire: those of the protocol, then those of each namespace. */
export function wireMessages(parts: WireParts, dialect: Dialect): readonly WireMessage[] {
  const names = new Names();
  const core = coreMessages(parts.limits);
  const messages = [...core.map(describeCore), describeAck(), describeClientAck()];
  for (const { name } of messages) names.claim(name);
  for (const namespace of parts.namespaces) messages.push(...describeNamespace(namespace, parts, dialect, names));
  return messages;
}

/** The schemas of a document by name: the shared ones, and each envelope. */
export function componentSchemas(messages: readonly WireMessage[]): JsonObject {
  return { ...SHARED_SCHEMAS, ...Object.fromEntries(messages.map(({ name, schema }) => [name, schema])) };
}

function describeCore(message: CoreMessage): WireMessage {
  const { type, from, inRoom, summary, payload, answers = [], example } = message;
  const schema =
    from === "client"
      ? object({ type: { const: type }, payload, "messageId?": ref("MessageId") }, summary)
      : object(
          {
            type: { const: type },
            payload,
            timestamp: ref("Timestamp"),
            ...(inRoom ? { "roomId?": ref("RoomId") } : {}),
          },
          summary,
        );
  return {
    name: type,
    type,
    kind: "core",
    from,
    namespace: null,
    inRoom,
    summary,
    schema,
    replies: from === "client" ? [...answers, "ack"] : [],
    ...(example === undefined ? {} : { example }),
  };
}

function describeAck(): WireMessage {
  const summary = "The answer to a message that carried a `messageId` (ACK-1).";
  return {
    name: "ack",
    type: "ack",
    kind: "ack",
    from: "server",
    namespace: null,
    inRoom: false,
    summary,
    schema: ackSchema(ref("AckSuccess"), summary),
    replies: [],
    example: EXAMPLES.ack!,
  };
}

function describeClientAck(): WireMessage {
  const summary = "The client's answer when the server asked for an ack (ACK-6).";
  return {
    name: "ack.client",
    type: "ack",
    kind: "ack",
    from: "client",
    namespace: null,
    inRoom: false,
    summary,
    schema: object(
      { type: { const: "ack" }, payload: object({ success: { const: true } }), messageId: ref("MessageId") },
      summary,
    ),
    replies: [],
  };
}

function ackSchema(success: JsonSchema, summary: string): JsonSchema {
  return object(
    {
      type: { const: "ack" },
      payload: { anyOf: [success, ref("AckFailure")] },
      timestamp: ref("Timestamp"),
      messageId: ref("MessageId"),
    },
    summary,
  );
}

function* describeNamespace(
  namespace: Namespace,
  parts: WireParts,
  dialect: Dialect,
  names: Names,
): Generator<WireMessage> {
  const { name: space, messages, events, state } = namespace;
  for (const [type, definition] of Object.entries(messages)) {
    const name = names.claim(`${space}.${type === "*" ? "any" : type}`);
    const ack = definition.ack === undefined ? null : names.claim(`${name}.ack`);
    yield {
      name,
      type,
      kind: "message",
      from: "client",
      namespace: space,
      inRoom: definition.roomless !== true,
      summary: summaryOf(type, definition, space),
      schema: messageSchema(name, type, definition, parts, dialect),
      replies: [ack ?? "ack"],
      ...exampleFor(`${space}.${type}`, definition.payload),
    };
    if (ack !== null) {
      const summary = `The ack of \`${type}\` in \`${space}\`.`;
      const at = `#/components/schemas/${ack}/properties/payload/anyOf/0`;
      const success = withMembers(
        (place) => tell(definition.ack, { side: "output", dialect, at: place }),
        at,
        SHARED_SCHEMAS.AckSuccess!.properties as Record<string, JsonSchema>,
        ["success"],
      );
      yield {
        name: ack,
        type: "ack",
        kind: "ack",
        from: "server",
        namespace: space,
        inRoom: false,
        summary,
        schema: ackSchema(success, summary),
        replies: [],
      };
    }
  }
  for (const [type, payload] of Object.entries(events)) {
    const name = names.claim(`${space}.${type}`, "event");
    const at = `#/components/schemas/${name}/properties/payload`;
    const summary = `The event \`${type}\` of \`${space}\`.`;
    yield {
      name,
      type,
      kind: "event",
      from: "server",
      namespace: space,
      inRoom: true,
      summary,
      schema: eventSchema(type, tell(payload, { side: "output", dialect, at }), summary),
      replies: [],
      ...exampleFor(`${space}.${type}`, payload),
    };
  }
  for (const [family, { event, leaseMs, kept }] of Object.entries(state)) {
    const lives =
      kept === true ? ", kept durably" : leaseMs === undefined ? "" : `, gone ${leaseMs} ms after it was set`;
    const summary = `The state \`${family}\` of \`${space}\` changed for one key (STA-1)${lives}.`;
    yield {
      name: names.claim(`${space}.${event}`, "state"),
      type: event,
      kind: "state",
      from: "server",
      namespace: space,
      inRoom: true,
      summary,
      schema: object(
        { type: { const: event }, payload: { type: "object" }, timestamp: ref("Timestamp"), roomId: ref("RoomId") },
        summary,
      ),
      replies: [],
      ...exampleFor(`${space}.${event}`, undefined),
    };
  }
}

function summaryOf(type: string, { right = "write", joined, roomless }: MessageDefinition, space: string): string {
  const what = type === "*" ? "Any other message" : `\`${type}\``;
  const where = roomless === true ? "about no room" : joined === false ? "without having joined" : "to a joined room";
  return `${what} of \`${space}\`, ${where}; needs the right to ${right}.`;
}

function messageSchema(
  name: string,
  type: string,
  { payload, roomless }: MessageDefinition,
  { hasDefaultRoom }: WireParts,
  dialect: Dialect,
): JsonSchema {
  const needsRoom = roomless !== true && !hasDefaultRoom;
  const described = withMembers(
    (at) => tell(payload, { side: "input", dialect, at }),
    `#/components/schemas/${name}/properties/payload`,
    { roomId: ref("RoomId") },
    needsRoom ? ["roomId"] : [],
  );
  return object({
    type: type === "*" ? ref("MessageType") : { const: type },
    payload: described,
    "messageId?": ref("MessageId"),
  });
}

function eventSchema(type: string, payload: JsonSchema, summary: string): JsonSchema {
  return object(
    {
      type: { const: type },
      payload,
      timestamp: ref("Timestamp"),
      roomId: ref("RoomId"),
      seq: ref("Seq"),
      "messageId?": ref("MessageId"),
    },
    summary,
  );
}

function tell(schema: Schema | undefined, request: Parameters<typeof jsonSchemaOf>[1]): JsonSchema {
  return schema === undefined ? { type: "object" } : jsonSchemaOf(schema, request);
}

/** The example of a name, unless this namespace's schema would refuse it: somebody may have a chat of their own. */
function exampleFor(name: string, schema: Schema | undefined): { example?: JsonObject } {
  const example = EXAMPLES[name];
  if (example === undefined) return {};
  try {
    const { roomId: _room, ...payload } = example.payload as JsonObject;
    const result = schema?.["~standard"].validate(payload);
    const isRefused = result !== undefined && (result instanceof Promise || result.issues !== undefined);
    return isRefused ? {} : { example };
  } catch {
    return {};
  }
}

/** Names that can stand in a document, each once. */
class Names {
  readonly #taken = new Set<string>(Object.keys(SHARED_SCHEMAS));

  /** `wanted`, or something like it that nobody has. */
  claim(wanted: string, kind?: string): string {
    const base = wanted.replace(/[^A-Za-z0-9._-]/g, "_");
    let name = base;
    if (this.#taken.has(name) && kind !== undefined) name = `${base}.${kind}`;
    for (let number = 2; this.#taken.has(name); number++) name = `${base}.${number}`;
    this.#taken.add(name);
    return name;
  }
}
