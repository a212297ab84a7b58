import { describe, expect, it } from "vitest";
import { configurationPage, inRepository } from "./tables.ts";

describe("docs/reference/configuration.md", () => {
  it("says what the tables of settings and limits say", async () => {
    await expect(configurationPage()).toMatchFileSnapshot(inRepository("docs/reference/configuration.md"));
  });
});
