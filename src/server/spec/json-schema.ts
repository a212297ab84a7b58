import type { StandardJSONSchemaV1 } from "@standard-schema/spec";
import { z } from "zod";
import type { Json, JsonObject, Schema } from "../../protocol/index.ts";

/** A JSON Schema as a plain object. */
export type JsonSchema = JsonObject;

/** The dialects the two documents speak: OpenAPI 3.1 the first, AsyncAPI 3.0 the second. */
export type Dialect = "draft-2020-12" | "draft-07";

/** What is asked about a schema. */
export interface JsonSchemaRequest {
  /** What it accepts (`input`), or what it gives back (`output`). */
  readonly side: "input" | "output";
  readonly dialect: Dialect;
  /** Where the result will stand in its document, as a URI fragment: references within it are written from there. */
  readonly at: string;
}

/**
 * The JSON Schema of a schema of any library: by the library's own account where it has one (`~standard.jsonSchema`), by
 * zod's for zod. What cannot be told is `{}`, and when nothing can, a description says so. Never throws.
 */
export function jsonSchemaOf(schema: Schema, request: JsonSchemaRequest): JsonSchema {
  for (const tell of [tellItself, tellZod]) {
    try {
      const told: unknown = tell(schema, request);
      // Also proves that it is JSON: what has a cycle or a bigint throws.
      if (isObject(told)) return settle(JSON.parse(JSON.stringify(told)) as JsonSchema, request.at);
    } catch {
      // A schema that cannot be told is no reason to have no document.
    }
  }
  return { description: `Not described: the schema library${vendorOf(schema)} offers no JSON Schema for it.` };
}

/**
 * The schema of an object that also has these members, for objects of which another part is described elsewhere.
 * `tell` gives the schema for the place where it will stand.
 */
export function withMembers(
  tell: (at: string) => JsonSchema,
  at: string,
  members: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
): JsonSchema {
  const names = Object.keys(members);
  const schema = tell(at);
  if (isMergeable(schema, at)) {
    const own = schema.required;
    const needed = [...new Set([...required, ...(Array.isArray(own) ? own : [])])];
    const { type: _type, required: _required, properties, ...rest } = admit(schema, names);
    return {
      type: "object",
      ...rest,
      properties: { ...members, ...(properties as JsonObject | undefined), ...members },
      ...(needed.length === 0 ? {} : { required: needed }),
    };
  }
  const added = { type: "object", properties: members, ...(required.length === 0 ? {} : { required: [...required] }) };
  return { allOf: [added, admit(tell(`${at}/allOf/1`), names)] };
}

/** Keywords whose value is one schema (`items` may also be a list of them). */
const ONE: ReadonlySet<string> = new Set([
  "additionalItems",
  "additionalProperties",
  "contains",
  "contentSchema",
  "else",
  "if",
  "items",
  "not",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
]);
/** Keywords whose value is a list of schemas. */
const MANY: ReadonlySet<string> = new Set(["allOf", "anyOf", "items", "oneOf", "prefixItems"]);
/** Keywords whose value is an object of schemas by name. */
const NAMED: ReadonlySet<string> = new Set([
  "$defs",
  "definitions",
  "dependencies",
  "dependentSchemas",
  "patternProperties",
  "properties",
]);
/** Within a document these would name another one, or another base for the references. */
const DROPPED: ReadonlySet<string> = new Set(["$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$vocabulary"]);

/** Keywords that say something about an object as a whole, so that members cannot just be put beside its own. */
const WHOLE = ["$ref", "allOf", "anyOf", "const", "else", "enum", "if", "not", "oneOf", "then"];

// The way of the standard; zod takes its options through it.
function tellItself(schema: Schema, { side, dialect }: JsonSchemaRequest): unknown {
  const standard = schema["~standard"] as unknown as Partial<StandardJSONSchemaV1.Props> | undefined;
  return standard?.jsonSchema?.[side]({
    target: dialect,
    ...(standard.vendor === "zod" ? { libraryOptions: ZOD_OPTIONS } : {}),
  });
}

function tellZod(schema: Schema, { side, dialect }: JsonSchemaRequest): unknown {
  if (!("_zod" in schema)) return null;
  return z.toJSONSchema(schema as unknown as z.ZodType, { ...ZOD_OPTIONS, io: side, target: dialect });
}

const ZOD_OPTIONS = {
  unrepresentable: "any",
  // A plain object gives back no more than its own members, but what stands on the wire may gain some with any version.
  override({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
    const { def } = zodSchema._zod;
    if (def.type === "object" && def.catchall === undefined) delete jsonSchema.additionalProperties;
  },
} as const;

/** Makes a schema a part of a document: its references start from `at`, and those that lead nowhere accept anything. */
function settle(root: JsonSchema, at: string): JsonSchema {
  const visit = (schema: Json): Json => {
    if (!isObject(schema)) return schema;
    if (typeof schema.$dynamicRef === "string") return {};
    if (typeof schema.$ref === "string") {
      if (!leadsSomewhere(root, schema.$ref)) return {};
      return { ...mapSchema(schema, visit), $ref: at + schema.$ref.slice(1) };
    }
    return mapSchema(schema, visit);
  };
  return visit(root) as JsonSchema;
}

/** The same schema with other schemas in it. Values that only look like schemas (`const`, `default`, …) stay. */
function mapSchema(schema: JsonSchema, visit: (schema: Json) => Json): JsonSchema {
  const mapped: JsonSchema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (DROPPED.has(keyword)) continue;
    if (MANY.has(keyword) && Array.isArray(value)) mapped[keyword] = value.map(visit);
    else if (ONE.has(keyword)) mapped[keyword] = visit(value);
    else if (NAMED.has(keyword) && isObject(value)) {
      mapped[keyword] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, visit(inner)]));
    } else mapped[keyword] = value;
  }
  return mapped;
}

function leadsSomewhere(root: JsonSchema, reference: string): boolean {
  if (reference === "#") return true;
  if (!reference.startsWith("#/")) return false;
  let place: Json | undefined = root;
  for (const step of reference.slice(2).split("/")) {
    const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, key)) return false;
    place = (place as JsonObject)[key];
  }
  return true;
}

function isMergeable(schema: JsonSchema, at: string): boolean {
  if (schema.type !== undefined && schema.type !== "object") return false;
  return !WHOLE.some((keyword) => keyword in schema) && !refersTo(schema, at);
}

function refersTo(value: Json, at: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (!Array.isArray(value) && value.$ref === at) return true;
  return Object.values(value).some((inner) => refersTo(inner, at));
}

/** The same schema, which does not mind members of these names. */
function admit(schema: JsonSchema, names: readonly string[]): JsonSchema {
  const open: JsonSchema = { ...schema };
  for (const keyword of ["allOf", "anyOf", "oneOf"]) {
    const inner = open[keyword];
    if (Array.isArray(inner)) open[keyword] = inner.map((one) => (isObject(one) ? admit(one, names) : one));
  }
  if (open.additionalProperties !== undefined || open.unevaluatedProperties !== undefined) {
    const admitted = Object.fromEntries(names.map((name) => [name, {}]));
    open.properties = { ...admitted, ...(isObject(open.properties) ? open.properties : {}) };
  }
  if (isObject(open.propertyNames)) open.propertyNames = { anyOf: [{ enum: [...names] }, open.propertyNames] };
  return open;
}

function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !("then" in value && isThenable(value))
  );
}

// `then` is a keyword of JSON Schema as well.
function isThenable(value: { then: unknown }): boolean {
  return typeof value.then === "function";
}

function vendorOf(schema: Schema): string {
  try {
    const { vendor } = schema["~standard"];
    return typeof vendor === "string" ? ` "${vendor.slice(0, 40)}"` : "";
  } catch {
    return "";
  }
}
