import { type Limits, YamabikoError } from "../protocol/index.ts";

// A surrogate that is not half of a pair. Browsers without String.prototype.isWellFormed are still about.
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function isWellFormed(text: string): boolean {
  const native = (text as { isWellFormed?: () => boolean }).isWellFormed;
  return native === undefined ? !LONE_SURROGATE.test(text) : native.call(text);
}

/**
 * Checks that a decoded value is a JSON value within the bounds (ENV-5): depth, number of values, no `__proto__` key,
 * no unpaired surrogate, no number that JSON cannot carry.
 * @throws {YamabikoError} `invalid_message`.
 */
export function checkJsonValue(value: unknown, bounds: Pick<Limits, "depth" | "elements">): void {
  let elements = 0;
  const visit = (node: unknown, depth: number): void => {
    if (++elements > bounds.elements) fail(`has more than ${bounds.elements} elements`);
    switch (typeof node) {
      case "string":
        if (!isWellFormed(node)) fail("has an unpaired surrogate");
        return;
      case "number":
        if (!Number.isFinite(node)) fail("has a number that is not finite");
        return;
      case "boolean":
        return;
      case "object": {
        if (node === null) return;
        if (depth >= bounds.depth) fail(`is nested deeper than ${bounds.depth}`);
        if (Array.isArray(node)) {
          for (const item of node) visit(item, depth + 1);
          return;
        }
        for (const key of Object.keys(node)) {
          if (key === "__proto__") fail("has the key __proto__");
          if (!isWellFormed(key)) fail("has an unpaired surrogate");
          visit((node as Record<string, unknown>)[key], depth + 1);
        }
        return;
      }
      default:
        fail("has a value that is not JSON");
    }
  };
  visit(value, 0);
}

function fail(rule: string): never {
  throw new YamabikoError("invalid_message", `The message ${rule}.`);
}
