import asyncApiSchema from "@asyncapi/specs/schemas/3.0.0-without-$id.json" with { type: "json" };
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { chat, notifications } from "../../src/features/index.ts";
import { notificationInput, notifyRequest } from "../../src/features/notifications/schemas.ts";
import {
  type Envelope,
  ERRORS,
  type JsonObject,
  resolveLimits,
  type Schema,
  type Json as Value,
} from "../../src/protocol/index.ts";
import type { RouteRequest } from "../../src/server/route.ts";
import { createAsyncApi } from "../../src/server/spec/asyncapi.ts";
import { documentRoutes } from "../../src/server/spec/document-routes.ts";
import { createDocuments } from "../../src/server/spec/documents.ts";
import { createOpenApi, type SpecParts } from "../../src/server/spec/openapi.ts";
import { ROUTES } from "../../src/server/spec/routes.ts";
import { defineNamespace, message, type Namespace } from "../../src/session/namespace.ts";
import { RawClient, startServer } from "../harness.ts";

const addFormats = ajvFormats.default;

/** What a document is looked at as. */
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly channels: Readonly<Record<string, { readonly messages: Readonly<Record<string, JsonObject>> }>>;
  readonly operations: Readonly<Record<string, { readonly action: string; readonly messages?: { $ref: string }[] }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonObject>>;
    readonly messages: Readonly<Record<string, { name: string; payload: JsonObject; examples?: { payload: Json }[] }>>;
  };
}
type Json = Parameters<ValidateFunction>[0];
interface Operation {
  readonly operationId: string;
  readonly security: JsonObject[];
  readonly parameters?: readonly { name: string; in: string; schema: JsonObject; example?: Json }[];
  readonly requestBody?: {
    content: { "application/json": { schema: JsonObject; examples: Record<string, { value: Json }> } };
  };
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: JsonObject; example?: Json }> }>>;
}

/** A board in zod, and whatever somebody's own library makes of a game. */
const board = defineNamespace({
  name: "board",
  messages: {
    place_card: message({
      payload: z.object({ column: z.string().max(20), order: z.int().min(0) }),
      ack: z.object({ cardId: z.string() }),
      handle: () => ({ cardId: "c1" }),
    }),
    "*": message({ handle: () => undefined }),
  },
  events: { card_placed: z.object({ cardId: z.string(), column: z.string() }) },
  state: { caret: { event: "caret_moved", change: (key: string, value: Value) => ({ key, value }) } },
});
const ownLibrary = {
  "~standard": {
    version: 1,
    vendor: "ours",
    validate: (value: unknown) => ({ value }),
    jsonSchema: {
      input: () => ({ type: "object", properties: { dx: { type: "number" } }, required: ["dx"] }),
      output: () => ({ type: "object", properties: { x: { type: "number" } } }),
    },
  },
} as unknown as Schema;
const silent = { "~standard": { version: 1, vendor: "silent", validate: (value: unknown) => ({ value }) } } as Schema;
const broken = {
  get "~standard"(): never {
    throw new Error("broken");
  },
} as unknown as Schema;
const game = defineNamespace({
  name: "game",
  messages: {
    player_input: { payload: ownLibrary, handle: () => undefined },
    player_wave: { payload: silent, handle: () => undefined },
    player_odd: { payload: broken, ack: broken, handle: () => undefined },
    "player:odd/name": { handle: () => undefined },
  },
  events: { player_moved: ownLibrary, player_waved: silent, player_broke: broken, player_input: silent },
});
const feed = defineNamespace({ name: "feed", messages: {} });

const ALL: readonly Namespace[] = [chat(), notifications(), board, game, feed];
const parts: SpecParts = { namespaces: ALL, version: "1.2.3" };
const openApi = (more: Partial<SpecParts> = {}): Document =>
  createOpenApi({ ...parts, ...more }) as unknown as Document;
const asyncApi = (more: Partial<SpecParts> = {}): Document =>
  createAsyncApi({ ...parts, ...more }) as unknown as Document;
const VARIANTS: readonly (readonly [string, Partial<SpecParts>])[] = [
  ["as it is", {}],
  ["in development", { dev: true, guests: true, defaultRoom: "chat:lobby" }],
  ["with chat alone", { namespaces: [chat()] }],
  ["with no namespace", { namespaces: [] }],
];

/** Checks of parts of a document, by JSON pointer. */
function createCheck(document: Document, kind: "openapi" | "asyncapi"): (pointer: string, value: unknown) => string[] {
  const ajv = kind === "openapi" ? new Ajv2020({ strict: false }) : new Ajv({ strict: false });
  addFormats(ajv as Ajv);
  // Without its words for examples it is a schema that only holds others.
  ajv.addSchema({ $id: "doc:", components: document.components, paths: document.paths ?? {} });
  return (pointer, value) => {
    const check = ajv.getSchema(`doc:#${pointer}`) as ValidateFunction;
    if (check === undefined) throw new Error(`There is nothing at ${pointer}.`);
    return check(value) ? [] : (check.errors ?? []).map((error) => `${pointer}${error.instancePath} ${error.message}`);
  };
}

const pointerOf = (...steps: string[]): string =>
  steps.map((step) => `/${encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");

function referencesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : referencesIn(inner),
  );
}

function resolve(document: unknown, reference: string): unknown {
  let place = document as Record<string, unknown> | undefined;
  for (const step of reference.slice(2).split("/")) {
    place = place?.[step.replaceAll("~1", "/").replaceAll("~0", "~")] as Record<string, unknown> | undefined;
  }
  return place;
}

describe("/openapi.json", () => {
  for (const [what, more] of VARIANTS) {
    it(`is OpenAPI 3.1 by the official schema: ${what}`, async () => {
      const validator = new Validator();
      const { errors } = await validator.validate({ ...openApi(more) });
      expect(errors).toBeUndefined();
      expect(validator.version).toBe("3.1");
    });

    it(`has no reference that leads nowhere: ${what}`, () => {
      const document = openApi(more);
      for (const reference of referencesIn(document)) expect(resolve(document, reference), reference).toBeDefined();
    });
  }

  it("would not pass if it were wrong", async () => {
    const wrong = structuredClone(openApi()) as unknown as JsonObject & Document;
    (wrong.paths["/healthz"]!.get as unknown as JsonObject).responses = "none";
    expect((await new Validator().validate(wrong)).valid).toBe(false);
  });

  it("has every route of the table, and nothing else", () => {
    const { paths } = openApi({ dev: true });
    const documented = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).toSorted());
    const ids = ROUTES.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(openApi().paths)).not.toContain("/api/dev/token");
  });

  it("says who may ask", () => {
    const securityOf = (document: Document, path: string, method: string) => document.paths[path]![method]!.security;
    const strict = openApi();
    expect(securityOf(strict, "/api/messages", "post")).toEqual([{ token: [] }, { ticket: [] }]);
    expect(securityOf(strict, "/api/rooms/{roomId}/events", "post")).toEqual([{ apiKey: [] }]);
    expect(securityOf(strict, "/healthz", "get")).toEqual([]);
    const open = openApi({ guests: true });
    expect(securityOf(open, "/api/messages", "post")).toContainEqual({});
    expect(securityOf(open, "/api/tickets", "post")).not.toContainEqual({});
  });

  it("ERR-1 says for every refusal the status of the table", () => {
    const document = openApi({ dev: true });
    expect(document.components.schemas.ErrorCode!.enum).toEqual(Object.keys(ERRORS));
    for (const { path, method, errors } of ROUTES) {
      const { responses } = document.paths[path]![method.toLowerCase()]!;
      for (const code of errors) expect(Object.keys(responses)).toContain(String(ERRORS[code].status));
    }
  });

  it("has examples that fit", () => {
    const document = openApi({ dev: true });
    const check = createCheck(document, "openapi");
    let examples = 0;
    const look = (at: string, value: unknown): void => {
      examples += 1;
      expect(check(at, value)).toEqual([]);
    };
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { parameters = [], requestBody, responses }] of Object.entries(operations)) {
        const at = pointerOf("paths", path, method);
        for (const [number, { example }] of parameters.entries()) {
          if (example !== undefined) look(`${at}/parameters/${number}/schema`, example);
        }
        const body = requestBody?.content["application/json"];
        const schemaAt = `${at}${pointerOf("requestBody", "content", "application/json", "schema")}`;
        for (const { value } of Object.values(body?.examples ?? {})) look(schemaAt, value);
        for (const [status, { content = {} }] of Object.entries(responses)) {
          for (const [type, { example }] of Object.entries(content)) {
            const place = `${at}${pointerOf("responses", status, "content", type, "schema")}`;
            if (example === undefined) expect(check(place, null)).toBeInstanceOf(Array);
            else look(place, example);
          }
        }
      }
    }
    expect(examples).toBeGreaterThan(20);
  });

  it("knows the limits this server is configured with", () => {
    const limits = resolveLimits({ joinEvents: 77 });
    const { parameters = [] } = openApi({ limits }).paths["/api/messages"]!.get!;
    expect(parameters.find(({ name }) => name === "limit")?.schema.maximum).toBe(77);
  });
});

describe("the notification of /openapi.json", () => {
  it("accepts what the feature's schema accepts", () => {
    const check = createCheck(openApi(), "openapi");
    const fits = (body: JsonObject) => check("/components/schemas/NewNotification", body).length === 0;
    const least = { userId: "ada", type: "mention", title: "Hello" };
    const bodies: JsonObject[] = [
      least,
      { ...least, userId: 42, body: "x".repeat(4_000), url: "/rooms/lobby", category: "work" },
      { ...least, url: null, category: null, dedupKey: "k", collapseKey: "c", expiresAt: 1_893_456_000_000 },
    ];
    for (const body of bodies) {
      const { userId: _user, ...notification } = body;
      expect(notificationInput.safeParse(notification).success).toBe(true);
      expect(notifyRequest.safeParse(body).success).toBe(true);
      expect(fits(body)).toBe(true);
      const { userId, ...rest } = body;
      expect(fits({ ...rest, userIds: [userId!, "bob"] })).toBe(true);
    }
    for (const wrong of [{ title: undefined }, { userIds: ["bob"] }, { title: "x".repeat(201) }, { dedupKey: "" }]) {
      const body = JSON.parse(JSON.stringify({ ...least, ...wrong })) as JsonObject;
      const { userId: _user, userIds: _users, ...notification } = body;
      expect(notificationInput.safeParse(notification).success && notifyRequest.safeParse(body).success).toBe(false);
      expect(fits(body)).toBe(false);
    }
  });
});

describe("/asyncapi.json", () => {
  for (const [what, more] of VARIANTS) {
    it(`is AsyncAPI 3.0 by the official schema: ${what}`, () => {
      const check = asyncApiCheck();
      expect(check(asyncApi(more)) ? [] : check.errors).toEqual([]);
    });

    it(`has no reference that leads nowhere, and no operation with a message its channel lacks: ${what}`, () => {
      const document = asyncApi(more);
      for (const reference of referencesIn(document)) expect(resolve(document, reference), reference).toBeDefined();
    });
  }

  it("would not pass if it were wrong", () => {
    const wrong = structuredClone(asyncApi()) as unknown as { operations: Record<string, { action: string }> };
    wrong.operations["receive.chat.send_message"]!.action = "shout";
    expect(asyncApiCheck()(wrong)).toBe(false);
  });

  it("has examples that fit", () => {
    const document = asyncApi();
    const check = createCheck(document, "asyncapi");
    let examples = 0;
    for (const [name, { examples: given = [] }] of Object.entries(document.components.messages)) {
      for (const { payload } of given) {
        examples += 1;
        expect(check(`/components/messages/${name}/payload`, payload)).toEqual([]);
      }
    }
    expect(examples).toBeGreaterThan(15);
  });

  it("has a channel for each namespace and one for the connection", () => {
    const { channels } = asyncApi();
    expect(Object.keys(channels)).toEqual([
      "connection",
      "stream",
      "room.chat",
      "room.user",
      "room.board",
      "room.game",
      "room.feed",
    ]);
    expect(channels["room.chat"]).toMatchObject({ address: "chat:{name}" });
  });

  it("answers every message of a client by its ack", () => {
    const { operations } = asyncApi() as unknown as {
      operations: Record<string, { action: string; reply?: { messages: { $ref: string }[] } }>;
    };
    for (const [name, { action, reply }] of Object.entries(operations)) {
      if (action !== "receive" || name === "receive.ack.client") continue;
      expect(
        reply?.messages.some(({ $ref }) => /[./]ack$/.test($ref)),
        name,
      ).toBe(true);
    }
    expect(operations["receive.board.place_card"]!.reply!.messages).toEqual([
      { $ref: "#/channels/room.board/messages/board.place_card.ack" },
    ]);
  });
});

describe("both documents", () => {
  const documents = [
    ["openapi", openApi()],
    ["asyncapi", asyncApi()],
  ] as const;

  for (const [kind, document] of documents) {
    const { schemas } = document.components;
    const check = createCheck(document, kind);

    it(`name every message, event and state of every namespace: ${kind}`, () => {
      for (const { name, messages, events, state } of ALL) {
        const types = [
          ...Object.keys(messages),
          ...Object.keys(events),
          ...Object.values(state).map(({ event }) => event),
        ];
        for (const type of types) {
          const wanted = type === "*" ? `${name}.any` : `${name}.${type.replace(/[^\w.-]/g, "_")}`;
          expect(Object.keys(schemas)).toContain(wanted);
        }
      }
      // A message and an event of one name are two things.
      expect(schemas["game.player_input"]).not.toEqual(schemas["game.player_input.event"]);
    });

    it(`name every type of the protocol: ${kind}`, () => {
      const types =
        "authenticate join_room leave_room ping welcome joined_room left_room room_users user_joined user_left room_state history_lost ack error pong batch server_closing token_expiring closed";
      expect(Object.keys(schemas)).toEqual(expect.arrayContaining(types.split(" ")));
    });

    it(`have schemas that can be used: ${kind}`, () => {
      const meta = kind === "openapi" ? new Ajv2020({ strict: false }) : new Ajv({ strict: false });
      for (const [name, schema] of Object.entries(schemas)) {
        expect(meta.validateSchema(schema), name).toBe(true);
        expect(check(`/components/schemas/${name}`, {})).toBeInstanceOf(Array);
      }
    });

    it(`accept what a namespace's schema accepts, and refuse what they can: ${kind}`, () => {
      const fits = (name: string, payload: JsonObject) =>
        check(`/components/schemas/${name}`, { type: name.split(".")[1]!, payload, messageId: "m1" }).length === 0;
      const { send_message, load_history } = chat().messages;
      const texts: JsonObject[] = [
        { content: "Hello!" },
        { content: "Hello!", replyTo: null },
        { content: "Hello!", replyTo: 3, mentions: ["ada"] },
        { content: "x".repeat(4_000), more: true },
      ];
      for (const payload of texts) {
        expect(send_message.payload!.safeParse(payload).success).toBe(true);
        expect(fits("chat.send_message", { ...payload, roomId: "room-123" })).toBe(true);
        expect(fits("chat.send_message", payload)).toBe(false);
      }
      const pages: JsonObject[] = [{}, { before: 3 }, { after: 0, limit: 200 }];
      for (const payload of pages) {
        expect(load_history.payload!.safeParse(payload).success).toBe(true);
        expect(fits("chat.load_history", { ...payload, roomId: "chat:lobby" })).toBe(true);
      }
      expect(fits("chat.send_message", { roomId: "room-123", content: 1 })).toBe(false);
      expect(fits("chat.load_history", { roomId: "room-123", limit: 201 })).toBe(false);
      expect(fits("chat.list_rooms", {})).toBe(true);
      expect(fits("board.place_card", { roomId: "board:a", column: "done", order: 0 })).toBe(true);
      expect(fits("board.place_card", { roomId: "board:a", column: "done", order: -1 })).toBe(false);
      expect(fits("board.any", { roomId: "board:a", whatever: [1] })).toBe(true);
      expect(fits("game.player_input", { roomId: "game:a", dx: 1 })).toBe(true);
      expect(fits("game.player_input", { roomId: "game:a" })).toBe(false);
      for (const name of ["game.player_wave", "game.player_odd"]) {
        expect(fits(name, { roomId: "game:a", anything: [1] })).toBe(true);
        expect(JSON.stringify(schemas[name])).toContain("Not described");
      }
    });
  }

  it("need no room in a message where there is a default one", () => {
    const document = openApi({ defaultRoom: "chat:lobby" });
    const check = createCheck(document, "openapi");
    const sent = { type: "send_message", payload: { content: "Hello!" } };
    expect(check("/components/schemas/chat.send_message", sent)).toEqual([]);
  });

  it("show no example that a namespace of the same name would refuse", () => {
    const other = defineNamespace({
      name: "chat",
      messages: {
        send_message: message({ payload: z.object({ text: z.string() }), handle: () => undefined }),
        edit_message: { payload: broken, handle: () => undefined },
      },
    });
    const { messages } = asyncApi({ namespaces: [other] }).components;
    expect(messages["chat.send_message"]).not.toHaveProperty("examples");
    expect(messages["chat.edit_message"]).not.toHaveProperty("examples");
  });

  it("are made once, and named", () => {
    const documents = createDocuments(parts);
    const first = documents.find("/openapi.json");
    expect(documents.find("/openapi.json")).toBe(first);
    expect(first?.etag).toMatch(/^"[\w-]{22}"$/);
    expect(first?.etag).not.toBe(documents.find("/asyncapi.json")?.etag);
    expect(JSON.parse(first!.text)).toEqual(openApi());
    expect(JSON.parse(documents.find("/asyncapi.json")!.text)).toEqual(asyncApi());
    expect(documents.find("/elsewhere.json")).toBeNull();
  });
});

describe("the routes of the documents", () => {
  const routes = documentRoutes(parts);
  const ask = (path: string, headers: Record<string, string> = {}) =>
    routes.find((route) => route.path === path)!.handle({ request: { headers } } as unknown as RouteRequest);

  it("answer with the document, and 304 to who knows it", async () => {
    for (const path of ["/openapi.json", "/asyncapi.json"]) {
      const answer = (await ask(path))!;
      expect(answer).toMatchObject({ status: 200, type: "application/json; charset=utf-8" });
      expect(JSON.parse(String(answer.text))).toHaveProperty("info.version", "1.2.3");
      const etag = answer.headers!.ETag!;
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
        expect(await ask(path, { "if-none-match": known })).toMatchObject({ status: 304, headers: { ETag: etag } });
      }
      expect(await ask(path, { "if-none-match": '"other"' })).toMatchObject({ status: 200 });
    }
  });
});

describe("what a server really says", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeAll(async () => {
    server = await startServer({ namespaces: [board] });
  });
  afterAll(() => server.close());

  it("fits the documents, and what it took does too", async () => {
    const ada = await RawClient.open(server, "ada");
    const sent: Envelope[] = [];
    const said: Envelope[] = [];
    const ask = async (type: string, payload: JsonObject) => {
      sent.push({ type, payload });
      return ada.ask(type, payload);
    };
    const roomId = "chat:spec";
    await ask("join_room", { roomId });
    const { seq } = (await ask("send_message", { roomId, content: "Hello!", mentions: ["bob"] })) as { seq: number };
    await ask("add_reaction", { roomId, seq, emoji: "👍" });
    await ask("edit_message", { roomId, seq, content: "Hello, Bob!" });
    await ask("typing_start", { roomId });
    await ada.next("user_typing");
    const bob = await RawClient.open(server, "bob");
    await bob.join(roomId, { after: "none:0" });
    await ada.next("user_joined");
    await bob.ask("leave_room", { roomId });
    await ada.next("user_left");
    await ask("read_messages", { roomId, upTo: seq });
    await ask("load_history", { roomId });
    await ask("list_rooms", {});
    await ask("delete_message", { roomId, seq });
    await ada.next("message_deleted");
    await ask("join_room", { roomId: "board:a", limit: 5 });
    await ask("place_card", { roomId: "board:a", column: "done", order: 0 });
    await ask("anything_else", { roomId: "board:a" });
    await ask("ping", {});
    await bob.ask("send_message", { roomId, content: "not joined" });
    bob.send("nothing_like_it", { roomId: "chat:x" });
    await bob.next("error");
    said.push(...ada.received, ...bob.received);
    ada.close();
    bob.close();

    const types = new Set(said.map(({ type }) => type));
    expect([...types]).toEqual(
      expect.arrayContaining(
        "joined_room room_users ack new_message reaction_changed message_edited user_typing user_joined user_left history_lost left_room messages_read message_deleted pong error".split(
          " ",
        ),
      ),
    );
    for (const [kind, document] of [
      ["openapi", openApi()],
      ["asyncapi", asyncApi()],
    ] as const) {
      const check = createCheck(document, kind);
      for (const envelope of said) {
        const names = [envelope.type, `chat.${envelope.type}`].filter((name) => name in document.components.schemas);
        expect(names).toHaveLength(1);
        expect(check(`/components/schemas/${names[0]}`, envelope), JSON.stringify(envelope)).toEqual([]);
      }
      for (const envelope of sent) {
        const { type, payload } = envelope;
        const space = String((payload as JsonObject).roomId ?? roomId).split(":")[0];
        const name = [type, `${space}.${type}`, `${space}.any`].find((name) => name in document.components.schemas);
        expect(check(`/components/schemas/${name}`, envelope), JSON.stringify(envelope)).toEqual([]);
      }
    }
  });
});

function asyncApiCheck(): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: false });
  addFormats(ajv);
  return ajv.compile(asyncApiSchema);
}
