import { describe, expect, it } from "vitest";
import { resolveConfig } from "./config.ts";

describe("variables with the prefix", () => {
  it("are settings, or belong to a command: every other one is refused", () => {
    for (const variable of ["YAMABIKO_TEST_X", "YAMABIKO_BIN", "YAMABIKO_CHROMIUM", "YAMABIKO_PROT"]) {
      expect(() => resolveConfig({ flags: { dev: true }, env: { [variable]: "x" } })).toThrow(variable);
    }
  });
});
