import {
  ERRORS,
  type ErrorCode,
  type JsonObject,
  type Limits,
  resolveLimits,
  SUBPROTOCOLS,
} from "../../protocol/index.ts";
import type { Namespace } from "../../session/namespace.ts";
import { type Answer, type Body, type DescribedRoute, type Parameter, ROUTE_SCHEMAS, ROUTES } from "./routes.ts";
import { ref } from "./shared-schemas.ts";
import { componentSchemas, type WireMessage, wireMessages } from "./wire.ts";

/** What the documents are made from. */
export interface SpecParts {
  readonly namespaces: readonly Namespace[];
  /** The version of the server. */
  readonly version: string;
  /** The title of the document. Default: `Yamabiko`. */
  readonly serverName?: string | undefined;
  /** Default: the defaults of the table. */
  readonly limits?: Limits | undefined;
  /** Whether clients without a token are let in. Default: false. */
  readonly guests?: boolean | undefined;
  /** Whether the routes of development mode are there. Default: false. */
  readonly dev?: boolean | undefined;
  /** Where messages without a room go. Default: none. */
  readonly defaultRoom?: string | null | undefined;
}

/**
 * The HTTP interface as an OpenAPI 3.1 document: a plain object, made from the table of routes and the namespaces.
 * Never throws because of a namespace's schema; what cannot be told about one accepts anything.
 */
export function createOpenApi(parts: SpecParts): JsonObject {
  const { version, serverName = "Yamabiko", limits = resolveLimits({}, parts.dev), guests = false } = parts;
  const hasDefaultRoom = typeof parts.defaultRoom === "string";
  const messages = wireMessages({ namespaces: parts.namespaces, limits, hasDefaultRoom }, "draft-2020-12");
  const routes = ROUTES.filter(({ dev }) => dev !== true || parts.dev === true);
  return {
    openapi: "3.1.0",
    jsonSchemaDialect: "https://json-schema.org/draft/2020-12/schema",
    info: {
      title: serverName,
      version,
      description: `The same messages, rules and errors as over WebSockets (\`/ws\`, subprotocols \`${SUBPROTOCOLS.json}\` and \`${SUBPROTOCOLS.msgpack}\`), which \`/asyncapi.json\` describes. Every request is stateless. A message may have ${limits.messageBytes} bytes, a body ${limits.requestBytes}.`,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: TAGS.map(([name, description]) => ({ name, description })),
    paths: pathsOf(routes, limits, guests),
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: guests ? "A user's token, or the `guestToken` of `welcome`." : "A user's token.",
        },
        ticket: { type: "apiKey", in: "query", name: "ticket", description: "A ticket of `POST /api/tickets`." },
        apiKey: { type: "http", scheme: "bearer", description: "The API key of a back end." },
      },
      schemas: {
        ...componentSchemas(messages),
        ...ROUTE_SCHEMAS,
        ...unions(messages),
      },
    },
  };
}

const TAGS: readonly (readonly [DescribedRoute["tag"], string])[] = [
  ["messages", "Sending and receiving without a WebSocket."],
  ["rooms", "Reading rooms, and publishing into them."],
  ["notifications", "The users' inboxes."],
  ["dashboards", "Numbers that change, and their past."],
  ["credentials", "What says who somebody is."],
  ["access", "Access that is taken back: revocations, kicks and bans, by back ends with the scope `moderate`."],
  ["server", "The server itself."],
];

/** What a client may say and what it may be told, as one schema each. The general forms stand last, so nothing is left out. */
function unions(messages: readonly WireMessage[]): JsonObject {
  const named = (fits: (message: WireMessage) => boolean) => messages.filter(fits).map(({ name }) => ref(name));
  const overHttp = new Set(["join_room", "authenticate"]);
  return {
    ClientMessage: {
      description: "A message of a client. The short forms of ENV-1 and ENV-3 are accepted too.",
      anyOf: [...named(({ from, name }) => from === "client" && !overHttp.has(name)), ref("Envelope")],
    },
    EventMessage: {
      description: "An event of a room, or word of events that are gone.",
      anyOf: [...named(({ kind }) => kind === "event"), ref("Event"), ref("history_lost")],
    },
    ServerMessage: {
      description: "Anything the server says.",
      anyOf: [...named(({ from }) => from === "server"), ref("Event"), ref("Envelope")],
    },
  };
}

function pathsOf(routes: readonly DescribedRoute[], limits: Limits, guests: boolean): JsonObject {
  const paths: { [path: string]: JsonObject } = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operationOf(route, limits, guests);
  }
  return paths;
}

/** What the segments of paths that have a name stand for. */
const PATH_PARAMETERS: Readonly<Record<string, JsonObject>> = {
  roomId: { schema: ref("RoomId"), example: "chat:room-123" },
  documentId: { schema: { type: "string" }, example: "readme" },
  name: { schema: { type: "string", minLength: 1, maxLength: 64 }, example: "shop" },
};

function operationOf(route: DescribedRoute, limits: Limits, guests: boolean): JsonObject {
  const { operationId, tag, summary, description, path, query, body } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: "path",
    required: true,
    description: "Percent-encoded where it has a `/`.",
    ...(PATH_PARAMETERS[name!] ?? { schema: { type: "string" } }),
  }));
  const parameters = [
    ...inPath,
    ...query.map((parameter) => parameterOf(parameter, limits)),
    ...route.answers.flatMap(({ headers = [] }) => headers.flatMap(requestHeaderOf)),
  ];
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(route, guests),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: bodyOf(body) }),
    responses: responsesOf(route),
  };
}

function securityOf({ auth, guests }: DescribedRoute, letsGuestsIn: boolean): JsonObject[] {
  if (auth === "none") return [];
  if (auth === "backEnd") return [{ apiKey: [] }];
  return [{ token: [] }, { ticket: [] }, ...(letsGuestsIn && guests !== false ? [{}] : [])];
}

function parameterOf({ name, what, schema, maximum, example }: Parameter, limits: Limits): JsonObject {
  return {
    name,
    in: "query",
    description: what,
    schema: maximum === undefined ? schema : { ...schema, maximum: limits[maximum] },
    ...(schema.type === "array" ? { style: "form", explode: true } : {}),
    ...(example === undefined ? {} : { example: schema.type === "array" ? [example] : example }),
  };
}

/** What a client says to make use of a header it was given. */
function requestHeaderOf(header: "ETag" | "Last-Event-ID"): JsonObject[] {
  if (header === "ETag") {
    return [{ name: "If-None-Match", in: "header", description: "The `ETag` you know.", schema: { type: "string" } }];
  }
  return [
    {
      name: "Last-Event-ID",
      in: "header",
      description: "The `id:` of the last event you got; browsers send it by themselves.",
      schema: ref("RoomsCursor"),
    },
  ];
}

function bodyOf({ schema, required, examples }: Body): JsonObject {
  const named = Object.entries(examples).map(([name, value]) => [name, { value }] as const);
  return { required, content: { "application/json": { schema, examples: Object.fromEntries(named) } } };
}

function responsesOf(route: DescribedRoute): JsonObject {
  const responses: JsonObject = {};
  for (const answer of route.answers) responses[answer.status] = responseOf(answer);
  for (const [status, codes] of groupByStatus(route.errors)) {
    responses[status] = refusalOf(status, codes, route);
  }
  return responses;
}

function responseOf({ what, content, headers = [] }: Answer): JsonObject {
  const response: JsonObject = { description: what };
  if (headers.includes("ETag")) {
    response.headers = {
      ETag: { description: "What this answer is, for `If-None-Match`.", schema: { type: "string" } },
    };
  }
  const described = Object.entries(content).map(([type, schema]) => [type, { schema }] as const);
  if (described.length > 0) response.content = Object.fromEntries(described);
  return response;
}

function groupByStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERRORS[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}

function refusalOf(status: number, codes: readonly ErrorCode[], route: DescribedRoute): JsonObject {
  const mayWait = codes.some((code) => ERRORS[code].retryable) && status !== 500;
  const [first] = codes;
  // A single message is refused by its ack; there the status says what the ack says.
  const isAcked = route.operationId === "sendMessages" || route.operationId === "publishEvents";
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].when}`).join("; "),
    ...(mayWait
      ? { headers: { "Retry-After": { description: "Seconds, where known.", schema: { type: "integer" } } } }
      : {}),
    content: {
      "application/json": {
        schema: isAcked ? { anyOf: [ref("ErrorAnswer"), ref("AckAnswer")] } : ref("ErrorAnswer"),
        example: {
          error: { code: first!, message: ERRORS[first!].when, retryable: ERRORS[first!].retryable },
        },
      },
    },
  };
}
