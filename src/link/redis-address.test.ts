import { describe, expect, it } from "vitest";
import { withoutCredentials } from "./link.ts";
import { parseRedisAddress } from "./redis-address.ts";

const one = {
  isCluster: false,
  watched: null,
  tls: false,
  username: undefined,
  password: undefined,
  db: 0,
  prefix: "yamabiko",
};

describe("parseRedisAddress", () => {
  it.each([
    ["redis://cache", { ...one, nodes: [{ host: "cache", port: 6379 }] }],
    ["redis://", { ...one, nodes: [{ host: "localhost", port: 6379 }] }],
    ["redis://cache:1/2", { ...one, nodes: [{ host: "cache", port: 1 }], db: 2 }],
    ["redis://[::1]:7000?prefix=app:1", { ...one, nodes: [{ host: "::1", port: 7000 }], prefix: "app:1" }],
    ["redis://:p%40ss%2Fw@c", { ...one, nodes: [{ host: "c", port: 6379 }], password: "p@ss/w" }],
    ["rediss://u:p@c/0", { ...one, nodes: [{ host: "c", port: 6379 }], tls: true, username: "u", password: "p" }],
    ["redis+cluster://c", { ...one, nodes: [{ host: "c", port: 6379 }], isCluster: true }],
    [
      "redis+sentinel://u:p@a,b:7001/main/3?prefix=x",
      {
        ...one,
        nodes: [
          { host: "a", port: 26_379 },
          { host: "b", port: 7001 },
        ],
        watched: "main",
        username: "u",
        password: "p",
        db: 3,
        prefix: "x",
      },
    ],
    [
      "rediss://a,b:7001",
      {
        ...one,
        nodes: [
          { host: "a", port: 6379 },
          { host: "b", port: 7001 },
        ],
        isCluster: true,
        tls: true,
      },
    ],
  ])("reads %s", (address, expected) => {
    expect(parseRedisAddress(address)).toEqual(expected);
  });

  it.each([
    "http://x",
    "redis:x",
    "redis://a b",
    "redis://u:canary@a:x",
    "redis://a/x",
    "redis://a,b/1",
    "redis://a/1/2",
    "redis+sentinel://a",
    "redis+sentinel://a/",
    "redis+sentinel://a/main/x",
    "redis://%@a",
  ])("refuses %s, with a remedy and without the password", (address) => {
    let refusal: unknown;
    try {
      parseRedisAddress(address);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: "invalid_message", remedy: expect.stringContaining("redis://") });
    expect((refusal as Error).message).not.toContain("canary");
  });
});

describe("withoutCredentials", () => {
  it("hides the user and the password, whatever is in them", () => {
    expect(withoutCredentials("redis://user:p/w@x@cache:1/2")).toBe("redis://cache:1/2");
    expect(withoutCredentials("sqlite:./a@b.db")).toBe("sqlite:./a@b.db");
  });
});
