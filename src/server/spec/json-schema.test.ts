import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Json, Schema } from "../../protocol/index.ts";
import { type Dialect, type JsonSchema, jsonSchemaOf, withMembers } from "./json-schema.ts";

const DIALECTS: readonly Dialect[] = ["draft-2020-12", "draft-07"];
const PLACE = "place";

function tell(schema: unknown, side: "input" | "output" = "input", dialect: Dialect = "draft-2020-12"): JsonSchema {
  return jsonSchemaOf(schema as Schema, { side, dialect, at: `#/$defs/${PLACE}` });
}

/** Whether a JSON Schema accepts a value, when it stands where it was told it would. */
function createAccepts(schema: JsonSchema, dialect: Dialect): (value: unknown) => boolean {
  const ajv = dialect === "draft-07" ? new Ajv({ strict: false }) : new Ajv2020({ strict: false });
  const check = ajv.compile({ $ref: `#/$defs/${PLACE}`, $defs: { [PLACE]: schema } });
  return (value) => check(value) === true;
}

function handWritten(more: object): Schema {
  return { "~standard": { version: 1, vendor: "ours", validate: (value: unknown) => ({ value }), ...more } } as Schema;
}

const tree = z.object({
  name: z.string(),
  get children() {
    return z.array(tree).optional();
  },
});
const point = z.object({ x: z.number(), y: z.number().optional() }).meta({ id: "Point" });
const name = fc.constantFrom("a", "b", "ada", "", "too long");
const level = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -2, max: 3 }) },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant("1") },
);
const node = fc.letrec((tie) => ({
  node: fc.record({ name, children: fc.array(tie("node"), { maxLength: 2 }) }, { requiredKeys: ["name"] }),
})).node;
const place = fc.record({ x: level, y: level, z: level }, { requiredKeys: ["x"] });
const named = fc.record({ name, level, other: level }, { requiredKeys: [] });

/** Schemas, and candidates of which they accept some. */
const SCHEMAS: Readonly<Record<string, readonly [z.ZodType, fc.Arbitrary<object>]>> = {
  plain: [z.object({ name: z.string().min(1).max(3), level: z.int().min(0).optional() }), named],
  strict: [z.strictObject({ name: z.string(), level: z.number().nullable().optional() }), named],
  loose: [z.looseObject({ name: z.string() }), named],
  union: [
    z.union([z.strictObject({ name: z.string() }), z.strictObject({ level: z.number() })]),
    fc.oneof(named, fc.record({ name }), fc.record({ level })),
  ],
  told: [
    z.discriminatedUnion("name", [
      z.object({ name: z.literal("a"), level: z.number() }),
      z.object({ name: z.literal("b") }),
    ]),
    named,
  ],
  recursive: [tree, node as fc.Arbitrary<object>],
  twice: [z.object({ from: point, to: point }), fc.record({ from: place, to: place })],
  tuple: [
    z.object({ pair: z.tuple([z.string(), z.number()]) }),
    fc.record({ pair: fc.oneof(fc.tuple(name, level), fc.array(name)) }),
  ],
  record: [z.record(z.string(), z.number()), fc.dictionary(name, fc.oneof({ weight: 9, arbitrary: fc.nat() }, level))],
  byDefault: [z.object({ level: z.number().default(1) }), named],
  unrepresentable: [z.object({ name: z.string().transform((text) => text.length), at: z.date().optional() }), named],
};

describe("the JSON Schema of a schema", () => {
  for (const dialect of DIALECTS) {
    for (const [name, [schema, candidates]] of Object.entries(SCHEMAS)) {
      it(`accepts in ${dialect} what the schema accepts: ${name}`, () => {
        const accepts = createAccepts(tell(schema, "input", dialect), dialect);
        let accepted = 0;
        fc.assert(
          fc.property(candidates, (candidate) => {
            if (!schema.safeParse(candidate).success) return;
            accepted += 1;
            expect(accepts(candidate)).toBe(true);
          }),
          { numRuns: 300 },
        );
        expect(accepted).toBeGreaterThan(0);
      });

      it(`accepts in ${dialect} the same with a \`roomId\`, and only with one: ${name}`, () => {
        const merged = withMembers(
          (at) => jsonSchemaOf(schema, { side: "input", dialect, at }),
          `#/$defs/${PLACE}`,
          { roomId: { type: "string" } },
          ["roomId"],
        );
        const accepts = createAccepts(merged, dialect);
        fc.assert(
          fc.property(candidates, (candidate) => {
            if (!schema.safeParse(candidate).success) return;
            expect(accepts({ ...candidate, roomId: "chat:lobby" })).toBe(true);
            expect(accepts(candidate)).toBe(false);
          }),
          { numRuns: 300 },
        );
      });
    }
  }

  it("refuses what the schema refuses, where JSON Schema has words for it", () => {
    const accepts = createAccepts(tell(SCHEMAS.plain![0]), "draft-2020-12");
    expect(accepts({ name: "ada" })).toBe(true);
    expect(accepts({ name: "" })).toBe(false);
    expect(accepts({ level: 1 })).toBe(false);
    expect(accepts({ name: "ada", level: -1 })).toBe(false);
  });

  it("refers to itself from the place where it stands", () => {
    const schema = tell(tree);
    expect(JSON.stringify(schema)).toContain(`"$ref":"#/$defs/${PLACE}"`);
    const accepts = createAccepts(schema, "draft-2020-12");
    expect(accepts({ name: "a", children: [{ name: "b" }] })).toBe(true);
    expect(accepts({ name: "a", children: [{ name: 1 }] })).toBe(false);
  });

  it("leaves room for members of a later version in what is sent, unless the schema is strict", () => {
    expect(tell(z.object({ name: z.string() }), "output")).not.toHaveProperty("additionalProperties");
    expect(tell(z.strictObject({ name: z.string() }), "output")).toHaveProperty("additionalProperties", false);
  });

  it("is in the library's own words where it has some", () => {
    const schema = handWritten({
      jsonSchema: {
        input: ({ target }: { target: string }) => ({ type: "string", title: target }),
        output: () => ({ type: "number" }),
      },
    });
    expect(tell(schema)).toEqual({ type: "string", title: "draft-2020-12" });
    expect(tell(schema, "input", "draft-07")).toEqual({ type: "string", title: "draft-07" });
    expect(tell(schema, "output")).toEqual({ type: "number" });
  });

  it("accepts anything, and says why, when the library has no words", () => {
    expect(tell(handWritten({}))).toEqual({
      description: 'Not described: the schema library "ours" offers no JSON Schema for it.',
    });
  });

  it("keeps members that are called like keywords", () => {
    const schema = tell(z.object({ id: z.string(), $schema: z.string(), items: z.string(), const: z.string() }));
    expect(Object.keys(schema.properties as object)).toEqual(["id", "$schema", "items", "const"]);
    expect(schema).not.toHaveProperty("$schema");
  });

  it("accepts anything where a reference leads nowhere", () => {
    const broken = { properties: { a: { $ref: "#/$defs/gone" }, b: { $ref: "https://example.com/b.json" } } };
    expect(tell(handWritten({ jsonSchema: { input: () => broken } }))).toEqual({ properties: { a: {}, b: {} } });
  });

  it("is never an error", () => {
    const circular: { self?: object } = {};
    circular.self = circular;
    const fails = (): never => {
      throw new Error("broken");
    };
    const broken: unknown[] = [
      {},
      null,
      undefined,
      { "~standard": null },
      { "~standard": { jsonSchema: "no" } },
      {
        get "~standard"() {
          return fails();
        },
      },
      handWritten({ jsonSchema: { input: fails } }),
      handWritten({ jsonSchema: { input: () => circular } }),
      handWritten({ jsonSchema: { input: () => Promise.resolve({}) } }),
      handWritten({ jsonSchema: { input: () => ["no"] } }),
      handWritten({ jsonSchema: { input: () => ({ maximum: 10n }) } }),
      handWritten({ jsonSchema: { input: () => ({ $ref: "#/%E0%A4%A" }) } }),
      { _zod: {}, "~standard": { vendor: "zod" } },
    ];
    for (const schema of broken) {
      expect(tell(schema)).toEqual({ description: expect.stringMatching(/^Not described/) });
    }
  });

  it("is an object of its own: what is done to it is not done to the schema", () => {
    const words: { [key: string]: Json } = { type: "object" };
    const told = tell(handWritten({ jsonSchema: { input: () => words } }));
    told.type = "string";
    expect(words.type).toBe("object");
  });
});
