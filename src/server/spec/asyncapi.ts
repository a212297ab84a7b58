import { CLOSE_CODES, type JsonObject, resolveLimits, SUBPROTOCOLS } from "../../protocol/index.ts";
import type { SpecParts } from "./openapi.ts";
import { ref } from "./shared-schemas.ts";
import { componentSchemas, type WireMessage, wireMessages } from "./wire.ts";

/**
 * What goes over WebSockets and event streams as an AsyncAPI 3.0 document: a plain object, made from the namespaces. It
 * describes the server: it *receives* what clients say and *sends* the rest.
 * Never throws because of a namespace's schema; what cannot be told about one accepts anything.
 */
export function createAsyncApi(parts: SpecParts): JsonObject {
  const { namespaces, version, serverName = "Yamabiko", limits = resolveLimits({}, parts.dev) } = parts;
  const hasDefaultRoom = typeof parts.defaultRoom === "string";
  const messages = wireMessages({ namespaces, limits, hasDefaultRoom }, "draft-07");
  const core = messages.filter(({ namespace }) => namespace === null);
  const ofRooms = core.filter(({ inRoom }) => inRoom);
  const ofConnection = core.filter(({ inRoom }) => !inRoom);
  const ack = core.find(({ name }) => name === "ack")!;

  const channels: { [name: string]: JsonObject } = {
    connection: connectionChannel(ofConnection),
    stream: streamChannel(messages),
  };
  const operations: { [name: string]: JsonObject } = {
    ...receiving("connection", ofConnection),
    ...sending("connection", "connection", "What the server says about the connection.", ofConnection),
    "send.stream": streamOperation(),
  };
  for (const { name, events } of namespaces) {
    const own = messages.filter(({ namespace }) => namespace === name);
    const namesEvents = Object.keys(events).length > 0;
    // Nothing says what is published here, so it may be anything.
    const channel = channelOf(name);
    channels[channel] = roomChannel(name, [...own, ...ofRooms, ack], !namesEvents);
    const sent = own.filter(({ kind }) => kind === "event");
    Object.assign(
      operations,
      receiving(channel, [...own, ...ofRooms], `${name}.`),
      namesEvents
        ? sending(`${name}.events`, channel, `Events of \`${name}\`: logged, numbered, resumed (RES-1).`, sent)
        : {
            [`send.${name}.events`]: operation("send", channel, `Whatever is published in \`${name}\`.`, ["event"]),
          },
      sending(
        `${name}.state`,
        channel,
        `Changes of the state of \`${name}\` (STA-1).`,
        own.filter(({ kind }) => kind === "state"),
      ),
      sending(`${name}.room`, channel, `What the server says about a room of \`${name}\`.`, ofRooms),
    );
  }

  return {
    asyncapi: "3.0.0",
    info: {
      title: serverName,
      version,
      description: `One envelope (\`Envelope\`), as JSON or MessagePack, the same over every transport. A message with a \`messageId\` is answered by exactly one \`ack\`. A message may have ${limits.messageBytes} bytes. Close codes: ${closeCodes()}. \`/openapi.json\` describes the HTTP interface.`,
      license: { name: "MIT" },
    },
    defaultContentType: "application/json",
    servers: SERVERS,
    channels,
    operations,
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "In the `Authorization` header of the handshake, or in a first message `authenticate` (AUTH-1).",
        },
        ticket: {
          type: "httpApiKey",
          in: "query",
          name: "ticket",
          description: "A single-use ticket of `POST /api/tickets`.",
        },
      },
      schemas: componentSchemas(messages),
      messages: {
        ...Object.fromEntries(messages.map((message) => [message.name, messageOf(message)])),
        event: {
          name: "event",
          title: "any event",
          summary: "An event whose type no definition names.",
          contentType: "application/json",
          payload: ref("Event"),
        },
      },
    },
  };
}

const SECURITY = [{ $ref: "#/components/securitySchemes/token" }, { $ref: "#/components/securitySchemes/ticket" }];
const HOST = {
  host: "{host}",
  variables: { host: { default: "localhost:8080", description: "Where this server is reached." } },
  security: SECURITY,
};

/** The ways in. A document has one content type per message, so the way says which one its messages have. */
const SERVERS: JsonObject = {
  json: {
    ...HOST,
    protocol: "ws",
    pathname: "/ws",
    summary: "WebSocket, JSON in text frames.",
    description: `Subprotocol \`${SUBPROTOCOLS.json}\`, or none (CON-2). \`wss\` behind a proxy that ends TLS.`,
    "x-content-type": "application/json",
    "x-subprotocol": SUBPROTOCOLS.json,
  },
  msgpack: {
    ...HOST,
    protocol: "ws",
    pathname: "/ws",
    summary: "WebSocket, MessagePack in binary frames.",
    description: `Subprotocol \`${SUBPROTOCOLS.msgpack}\` (CON-2). The same envelopes, as \`application/msgpack\`.`,
    "x-content-type": "application/msgpack",
    "x-subprotocol": SUBPROTOCOLS.msgpack,
  },
  sse: {
    ...HOST,
    protocol: "http",
    pathname: "/api/events",
    summary: "Server-Sent Events, one envelope as JSON per event.",
    description: "Only what the server says; messages go to `POST /api/messages`.",
    "x-content-type": "application/json",
  },
};

const onServers = (...names: string[]): JsonObject[] => names.map((name) => ({ $ref: `#/servers/${name}` }));

/** The channel of a namespace. Its name cannot be that of another channel. */
function channelOf(namespace: string): string {
  return `room.${namespace}`;
}

function messagesOf(messages: readonly WireMessage[]): JsonObject {
  return Object.fromEntries(messages.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }]));
}

function connectionChannel(messages: readonly WireMessage[]): JsonObject {
  return {
    address: "/ws",
    title: "A connection",
    description: "What is about no room. `/` is the same address.",
    servers: onServers("json", "msgpack"),
    messages: messagesOf(messages),
    bindings: {
      ws: {
        method: "GET",
        query: { type: "object", properties: { ticket: { type: "string", description: "A single-use ticket." } } },
        headers: {
          type: "object",
          properties: {
            Authorization: { type: "string", description: "`Bearer <token>`" },
            "Sec-WebSocket-Protocol": { type: "string", enum: Object.values(SUBPROTOCOLS) },
          },
        },
        bindingVersion: "0.1.0",
      },
    },
  };
}

function streamChannel(messages: readonly WireMessage[]): JsonObject {
  return {
    address: "/api/events",
    title: "An event stream",
    description:
      "Events of the log without `event:` and with `id:`, the cursor of all rooms; everything else with its type as `event:` (`refusal` for `error`).",
    servers: onServers("sse"),
    messages: {
      ...messagesOf(messages.filter(({ from }) => from === "server")),
      event: { $ref: "#/components/messages/event" },
    },
  };
}

function streamOperation(): JsonObject {
  return {
    action: "send",
    channel: { $ref: "#/channels/stream" },
    summary: "Follows rooms from a cursor on.",
    bindings: {
      http: {
        method: "GET",
        query: {
          type: "object",
          properties: {
            roomId: { type: "array", items: ref("RoomId") },
            after: ref("RoomsCursor"),
            limit: { type: "integer", minimum: 1 },
            ticket: { type: "string" },
          },
        },
        bindingVersion: "0.3.0",
      },
    },
  };
}

function roomChannel(namespace: string, messages: readonly WireMessage[], isOpen: boolean): JsonObject {
  return {
    address: `${namespace}:{name}`,
    title: `A room of \`${namespace}\``,
    description:
      "The address is the `roomId`; it stands in `payload.roomId` of a message and in `roomId` of what is sent.",
    servers: onServers("json", "msgpack"),
    parameters: { name: { description: "The room's name (ENV-4).", examples: ["room-123"] } },
    messages: { ...messagesOf(messages), ...(isOpen ? { event: { $ref: "#/components/messages/event" } } : {}) },
  };
}

/** One operation for each message of a client, with what it is answered by. */
function receiving(channel: string, messages: readonly WireMessage[], prefix = ""): JsonObject {
  const operations: JsonObject = {};
  for (const { name, from, summary, replies, namespace } of messages) {
    if (from !== "client") continue;
    operations[`receive.${namespace === null ? prefix : ""}${name}`] = {
      ...operation("receive", channel, summary, [name]),
      ...(replies.length === 0
        ? {}
        : { reply: { channel: { $ref: `#/channels/${channel}` }, messages: messagesIn(channel, replies) } }),
    };
  }
  return operations;
}

/** One operation for all messages of the server among these; none when there are none. */
function sending(name: string, channel: string, summary: string, messages: readonly WireMessage[]): JsonObject {
  const names = messages.filter(({ from }) => from === "server").map((message) => message.name);
  return names.length === 0 ? {} : { [`send.${name}`]: operation("send", channel, summary, names) };
}

function operation(action: "send" | "receive", channel: string, summary: string, names: readonly string[]): JsonObject {
  return { action, channel: { $ref: `#/channels/${channel}` }, summary, messages: messagesIn(channel, names) };
}

function messagesIn(channel: string, names: readonly string[]): JsonObject[] {
  return names.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` }));
}

function messageOf({ name, type, summary, from, kind, example }: WireMessage): JsonObject {
  const isAnswered = from === "client" || kind === "ack";
  return {
    name: type,
    title: type === "*" ? "any other message" : type,
    summary,
    contentType: "application/json",
    payload: ref(name),
    ...(isAnswered ? { correlationId: { location: "$message.payload#/messageId" } } : {}),
    ...(example === undefined ? {} : { examples: [{ payload: example }] }),
  };
}

function closeCodes(): string {
  return Object.entries(CLOSE_CODES)
    .map(([name, { code }]) => `${code} ${name}`)
    .join(", ");
}
