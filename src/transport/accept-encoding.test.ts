import { describe, expect, it } from "vitest";
import { takesGzip } from "./accept-encoding.ts";

describe("an answer is compressed", () => {
  it.each([
    ["gzip", true],
    ["deflate, gzip;q=0.5, br", true],
    ["GZIP", true],
    ["*", true],
    ["*;q=0", false],
    ["gzip;q=0, *", false],
    ["gzip; q=0.0", false],
    ["br", false],
    ["", false],
    [undefined, false],
  ])("for one who takes %s: %s", (accepted, expected) => {
    expect(takesGzip(accepted)).toBe(expected);
  });
});
