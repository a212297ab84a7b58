import type { StandardSchemaV1 } from "@standard-schema/spec";
import { YamabikoError } from "./errors.ts";

/** A schema of any library that speaks Standard Schema v1 (zod, valibot, arktype, …). */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** What a value must look like to be accepted by a schema. */
export type InputOf<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S> : unknown;

/** What the schema gives back. */
export type OutputOf<S> = S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : unknown;

/**
 * Checks `value`. Synchronous when the schema is, so that a room's messages need no promise on the way.
 * @throws {YamabikoError} `invalid_message` naming the first broken path.
 */
export function validate<S extends Schema>(schema: S, value: unknown): OutputOf<S> | Promise<OutputOf<S>> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((settled) => accept<S>(settled)) : accept<S>(result);
}

function accept<S extends Schema>(result: StandardSchemaV1.Result<unknown>): OutputOf<S> {
  if (result.issues === undefined) return result.value as OutputOf<S>;
  const [issue] = result.issues;
  const path = (issue?.path ?? [])
    .map((part) => String(typeof part === "object" ? part.key : part))
    .join(".")
    .slice(0, 100);
  const where = path === "" ? "The payload" : `\`${path}\` in the payload`;
  throw new YamabikoError(
    "invalid_message",
    `${where} is not accepted: ${(issue?.message ?? "invalid").slice(0, 200)}`,
  );
}
