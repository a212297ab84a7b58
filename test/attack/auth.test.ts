import { createHmac, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type AccessUser, createAccess } from "../../src/auth/access.ts";
import { createTokenVerifier, signToken } from "../../src/auth/jwt.ts";
import { parseRoomId, YamabikoError } from "../../src/protocol/index.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const clock = createFakeClock();
const NOW = Math.floor(clock.now() / 1000);
const GOOD = { sub: "ada", exp: NOW + 600 };

const part = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
function forge(header: unknown, payload: unknown, key: string | Buffer = SECRET, hash = "sha256"): string {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}
const HS256 = { alg: "HS256", typ: "JWT" };
const outcome = async (token: string, verify = createTokenVerifier({ secret: SECRET, clock })) => {
  try {
    return (await verify(token)).id;
  } catch (error) {
    if (!(error instanceof YamabikoError)) throw error;
    return { code: error.code, message: error.message };
  }
};
const REFUSED = { code: "unauthenticated", message: "The token is not accepted." };

describe("[case 2] AUTH-4 a token that must not be accepted", () => {
  const good = forge(HS256, GOOD);
  const [head = "", body = "", mac = ""] = good.split(".");

  it("the forger of these tests can make a good one", async () => {
    expect(await outcome(good)).toBe("ada");
  });

  it.each<[string, string]>([
    ["alg none", `${part({ alg: "none" })}.${part(GOOD)}.`],
    ["alg None", `${part({ alg: "None" })}.${part(GOOD)}.`],
    ["alg none with the good signature", `${part({ alg: "none" })}.${body}.${mac}`],
    ["no alg", forge({ typ: "JWT" }, GOOD)],
    ["an alg that is not a string", forge({ alg: ["HS256"] }, GOOD)],
    ["HS512 where HS256 is set", forge({ alg: "HS512" }, GOOD, SECRET, "sha512")],
    ["HS384 where HS256 is set", forge({ alg: "HS384" }, GOOD, SECRET, "sha384")],
    ["RS256 where a secret is set", forge({ alg: "RS256" }, GOOD)],
    ["another secret", forge(HS256, GOOD, "another secret of more than thirty-two bytes")],
    ["the empty secret", forge(HS256, GOOD, "")],
    ["no signature", `${head}.${body}.`],
    ["no third part", `${head}.${body}`],
    ["half a signature", `${head}.${body}.${mac.slice(0, 20)}`],
    ["another payload under the signature", `${head}.${part({ ...GOOD, sub: "eve" })}.${mac}`],
    ["a critical extension nobody knows", forge({ ...HS256, crit: ["x"], x: 1 }, GOOD)],
    ["an empty crit", forge({ ...HS256, crit: [] }, GOOD)],
    ["an unencoded payload", forge({ ...HS256, crit: ["b64"], b64: false }, GOOD)],
    [
      "its own key in the header",
      forge({ ...HS256, jwk: { kty: "oct", k: part("x".repeat(32)) } }, GOOD, "x".repeat(32)),
    ],
    ["no exp", forge(HS256, { sub: "ada" })],
    ["an exp that is a string", forge(HS256, { sub: "ada", exp: String(NOW + 600) })],
    ["an exp that is null", forge(HS256, { sub: "ada", exp: null })],
    ["an nbf to come", forge(HS256, { ...GOOD, nbf: NOW + 31 })],
    ["no sub", forge(HS256, { exp: NOW + 600 })],
    ["an empty sub", forge(HS256, { ...GOOD, sub: "" })],
    ["a sub that is a number", forge(HS256, { ...GOOD, sub: 5 })],
    ["a sub that is an array", forge(HS256, { ...GOOD, sub: ["ada"] })],
    ["a sub of 129 characters", forge(HS256, { ...GOOD, sub: "a".repeat(129) })],
    ["a sub with a line break", forge(HS256, { ...GOOD, sub: "ada\nroot" })],
    ["a sub with NUL", forge(HS256, { ...GOOD, sub: "ada\u0000" })],
    ["a sub with half a surrogate pair", forge(HS256, '{"sub":"ada\\ud800","exp":9999999999}')],
    ["a sub that turns the text around", forge(HS256, { ...GOOD, sub: "ada\u202eroot" })],
    ["a name of 101 characters", forge(HS256, { ...GOOD, name: "n".repeat(101) })],
    ["a name that is an object", forge(HS256, { ...GOOD, name: { toString: "x" } })],
    ["a payload that is no object", forge(HS256, "5")],
    ["a payload that is no JSON", forge(HS256, "{")],
    ["over 8 KiB", forge(HS256, { ...GOOD, more: "x".repeat(9_000) })],
    ["an encrypted one", "a.b.c.d.e"],
    ["nothing", ""],
    ["dots", ".."],
    ["words", "not a token"],
    ["another script", "日本.日本.日本"],
    ["__proto__", "__proto__.__proto__.__proto__"],
    ["white space around", ` ${good}\n`],
  ])("%s", async (_name, token) => {
    expect(await outcome(token)).toEqual(REFUSED);
  });

  it("the public key used as a secret", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const verify = createTokenVerifier({ publicKey: pem, clock });
    for (const key of [pem, pem.trim(), publicKey.export({ type: "spki", format: "der" })]) {
      expect(await outcome(forge(HS256, GOOD, key), verify)).toEqual(REFUSED);
    }
  });

  it("one of another curve or another key of the same kind", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const verify = createTokenVerifier({
      publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
      clock,
    });
    for (const alg of ["ES256", "ES384", "EdDSA", "ES256K"]) {
      expect(await outcome(`${part({ alg })}.${part(GOOD)}.${"A".repeat(86)}`, verify)).toEqual(REFUSED);
    }
    // The signature of zeros that some libraries took for any message (CVE-2022-21449).
    expect(await outcome(`${part({ alg: "ES256" })}.${part(GOOD)}.${part("\0".repeat(64))}`, verify)).toEqual(REFUSED);
  });

  it("every bit of the signature and of what is signed counts", async () => {
    const verify = createTokenVerifier({ secret: SECRET, clock });
    for (let i = 0; i < good.length; i += 3) {
      const other = good[i] === "Q" ? "g" : "Q";
      const changed = good.slice(0, i) + other + good.slice(i + 1);
      expect(await outcome(changed, verify)).toEqual(REFUSED);
    }
  });
});

describe("[case 3] AUTH-4 time", () => {
  it("clocks may be 30 s apart, not more", async () => {
    expect(await outcome(forge(HS256, { sub: "ada", exp: NOW - 29 }))).toBe("ada");
    expect(await outcome(forge(HS256, { sub: "ada", exp: NOW - 31 }))).toMatchObject({ code: "token_expired" });
    expect(await outcome(forge(HS256, { ...GOOD, nbf: NOW + 29 }))).toBe("ada");
  });

  it("an expired token with a wrong signature is not told from any other bad one", async () => {
    expect(await outcome(forge(HS256, { sub: "ada", exp: NOW - 600 }, "x".repeat(40)))).toEqual(REFUSED);
  });

  const DAY = 24 * 60 * 60;

  it.each<[string, object | string]>([
    ["an exp beyond all numbers", '{"sub":"ada","exp":1e308}'],
    ["an exp in ten years", { sub: "ada", exp: NOW + 3_650 * DAY }],
    ["an exp in 31 days and a minute", { sub: "ada", exp: NOW + 31 * DAY + 60 }],
    ["a token of 32 days, of which a day is left", { sub: "ada", iat: NOW - 31 * DAY, exp: NOW + DAY }],
    ["an iat to come", { ...GOOD, iat: NOW + 31 }],
    ["an iat that is no number", { ...GOOD, iat: "now" }],
  ])("%s", async (_name, claims) => {
    expect(await outcome(forge(HS256, claims))).toEqual(REFUSED);
  });

  it("how long a token may be good can be set", async () => {
    const longer = createTokenVerifier({ secret: SECRET, clock, maxLifetimeMs: 400 * DAY * 1000 });
    const shorter = createTokenVerifier({ secret: SECRET, clock, maxLifetimeMs: 60_000 });
    expect(await outcome(forge(HS256, { sub: "ada", iat: NOW, exp: NOW + 399 * DAY }), longer)).toBe("ada");
    expect(await outcome(forge(HS256, GOOD), shorter)).toEqual(REFUSED);
    expect(await outcome(forge(HS256, { sub: "ada", iat: NOW, exp: NOW + 60 }), shorter)).toBe("ada");
  });

  it("an audience or an issuer that is not the one set", async () => {
    const verify = createTokenVerifier({ secret: SECRET, clock, audience: "chat", issuer: "https://app.example" });
    const right = { ...GOOD, aud: "chat", iss: "https://app.example" };
    expect(await outcome(forge(HS256, right), verify)).toBe("ada");
    for (const wrong of [
      { aud: "shop" },
      { aud: undefined },
      { aud: [] },
      { iss: "https://evil.example" },
      { iss: undefined },
    ]) {
      expect(await outcome(forge(HS256, { ...right, ...wrong }), verify)).toEqual(REFUSED);
    }
  });
});

describe("AUTH-4 what is told", () => {
  it("the reason goes to the operator without anything of the token", async () => {
    const reasons: string[] = [];
    const verify = createTokenVerifier({ secret: SECRET, clock, onRefused: (reason) => void reasons.push(reason) });
    const canary = forge(HS256, { ...GOOD, sub: "canary\n" });
    await outcome(canary, verify);
    await outcome(forge(HS256, { sub: "canary", exp: NOW - 600 }), verify);
    await outcome("canary", verify);
    await outcome("canary".repeat(10_000), verify);
    expect(reasons).toHaveLength(4);
    expect(reasons.join()).not.toContain("canary");
  });

  it("claims cannot change the prototype of anything", async () => {
    const token = forge(
      HS256,
      `{"sub":"ada","exp":${NOW + 600},"__proto__":{"admin":true},"constructor":{"prototype":{}}}`,
    );
    const identity = await createTokenVerifier({ secret: SECRET, clock })(token);
    expect(identity.claims.admin).toBeUndefined();
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });
});

describe("[case 8] [article 2] AUTH-8 rooms that are not yours", () => {
  const can = createAccess({ namespaces: [{ name: "chat" }, { name: "user", access: () => true }], rule: () => true });
  const ada = (rooms?: unknown): AccessUser => ({
    id: "1",
    name: "Ada",
    guest: false,
    claims: rooms === undefined ? {} : { rooms },
  });

  it("the inbox of a user is that user's alone, whatever rules and claims say", () => {
    for (const right of ["read", "write", "admin"] as const) {
      expect(can(ada(), parseRoomId("user:2"), right)).toBe(false);
      expect(can(ada({ "*": ["read", "write", "admin"] }), parseRoomId("user:2"), right)).toBe(false);
      expect(can(ada({ "user:2": ["read", "write", "admin"] }), parseRoomId("user:2"), right)).toBe(false);
    }
    expect(can(ada(), parseRoomId("user:1"), "read")).toBe(true);
  });

  it.each(["user:01", "user:1/", "user:1/1", "user:１", "user:1.", "user:1~", "user:'1'", "user:1:1"])(
    "%s is not user:1",
    (roomId) => {
      expect(can(ada(), parseRoomId(roomId), "read")).toBe(false);
    },
  );

  it.each(["USER:1", "user:1 ", " user:1", "user:1\u0000", "user:../1", "user:%31", "user:é".normalize("NFD")])(
    "%j is no room at all",
    (roomId) => {
      expect(() => parseRoomId(roomId)).toThrow(expect.objectContaining({ code: "invalid_message" }));
    },
  );

  it.each<[string, unknown]>([
    ["null", null],
    ["a string", "*"],
    ["true", true],
    ["an array", ["*"]],
    ["rights that are a string", { "chat:*": "read" }],
    ["rights that are an object", { "chat:*": { read: true } }],
    ["a right that is no string", { "chat:*": ["read", 1] }],
    ["one bad entry beside a good one", { "chat:*": ["read"], "chat:lobby": null }],
    ["a star in the middle", { "chat:*y": ["read"], "*": ["read"] }],
    ["two stars", { "chat:**": ["read"] }],
    ["a prefix without a namespace", { "lob*": ["read"] }],
    ["a pattern that is no room", { "CHAT:lobby": ["read"] }],
    ["an empty pattern", { "": ["read"] }],
    ["a regular expression", { "chat:.+": ["read"], "chat:(.*)": ["read"] }],
    ["a right nobody knows", { "chat:*": ["READ", "all", "*"] }],
  ])("a claim that is malformed (%s) gives nothing", (_name, rooms) => {
    expect(can(ada(rooms), parseRoomId("lobby"), "read")).toBe(false);
  });

  it("rights that every object has are none", () => {
    for (const name of ["toString", "constructor", "hasOwnProperty"]) {
      expect(can(ada({}), parseRoomId(`chat:${name}`), "read")).toBe(false);
    }
  });

  it("only true is a yes", () => {
    for (const answer of [1, "yes", {}, [], "false"]) {
      const lax = createAccess({ namespaces: [{ name: "chat", access: () => answer as unknown as boolean }] });
      expect(lax(ada(), parseRoomId("lobby"), "read")).toBe(false);
    }
  });

  it("a claim survives the signing and still limits", async () => {
    const token = await signToken(SECRET, { user: "1", rooms: { "chat:a": ["read"] }, expiresInMs: 60_000 }, clock);
    const { id, name, claims } = await createTokenVerifier({ secret: SECRET, clock })(token);
    const user = { id, name, claims, guest: false };
    expect(can(user, parseRoomId("chat:a"), "read")).toBe(true);
    expect(can(user, parseRoomId("chat:a"), "write")).toBe(false);
    expect(can(user, parseRoomId("chat:b"), "read")).toBe(false);
  });
});
