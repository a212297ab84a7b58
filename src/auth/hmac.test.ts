import { createHmac, createSecretKey } from "node:crypto";
import fc from "fast-check";
import { jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { HmacTokens } from "./hmac.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const KEY = createSecretKey(Buffer.from(SECRET));
const NOW = 1_700_000_000;
const RULES = { clockTolerance: 30, currentDate: new Date(NOW * 1000), requiredClaims: ["exp", "sub"] };
const GOOD = { sub: "ada", exp: NOW + 600 };

const part = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
function sign(header: unknown, payload: unknown, hash = "sha256", key = SECRET): string {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
}

describe("HmacTokens", () => {
  it.each([
    ["HS256", "sha256"],
    ["HS384", "sha384"],
    ["HS512", "sha512"],
  ])("knows an ordinary token of %s", (alg, hash) => {
    const tokens = new HmacTokens(KEY, [alg]);
    for (const header of [{ alg }, { alg, typ: "JWT" }, { alg, kid: "one" }, { typ: "JWT", alg }]) {
      expect(tokens.claims(sign(header, GOOD, hash), RULES)).toEqual(GOOD);
    }
  });

  it.each<[string, string]>([
    ["one signed with another secret", sign({ alg: "HS256" }, GOOD, "sha256", "x".repeat(40))],
    ["one of an algorithm that is not accepted", sign({ alg: "HS512" }, GOOD, "sha512")],
    ["one whose header says more", sign({ alg: "HS256", crit: ["b64"], b64: true }, GOOD)],
    ["one that has expired", sign({ alg: "HS256" }, { sub: "ada", exp: NOW - 31 })],
    ["one without an end", sign({ alg: "HS256" }, { sub: "ada" })],
    ["no signature", `${part({ alg: "HS256" })}.${part(GOOD)}.`],
    ["a signature in another script", `${part({ alg: "HS256" })}.${part(GOOD)}.${"é".repeat(43)}`],
    ["a signature with more behind it", `${sign({ alg: "HS256" }, GOOD)}=`],
    ["four parts", `${sign({ alg: "HS256" }, GOOD)}.`],
    ["no token", "x"],
  ])("leaves %s to jose", (_name, token) => {
    expect(new HmacTokens(KEY, ["HS256"]).claims(token, RULES)).toBeNull();
  });

  it("a good header before does not make the next one good", () => {
    const tokens = new HmacTokens(KEY, ["HS256"]);
    expect(tokens.claims(sign({ alg: "HS256" }, GOOD), RULES)).toEqual(GOOD);
    expect(tokens.claims(sign({ alg: "none" }, GOOD), RULES)).toBeNull();
    expect(tokens.claims(sign({ alg: "HS512" }, GOOD, "sha512"), RULES)).toBeNull();
    expect(tokens.claims(sign({ alg: "HS256" }, GOOD), RULES)).toEqual(GOOD);
  });

  it("accepts nothing that jose refuses, and reads the same in it", async () => {
    const alg = fc.constantFrom<unknown>("HS256", "HS384", "HS512", "none", "hs256", "RS256", 5, null);
    const header = fc.record(
      {
        alg,
        typ: fc.string(),
        kid: fc.string(),
        crit: fc.constantFrom<unknown>([], ["b64"], ["x"], "b64"),
        b64: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    const time = fc.constantFrom<unknown>(NOW - 31, NOW - 30, NOW - 29, NOW, NOW + 31, String(NOW), null, 1e308);
    const payload = fc.oneof(
      fc.record(
        { sub: fc.string(), exp: time, nbf: time, iat: time, name: fc.string() },
        { requiredKeys: ["sub", "exp"] },
      ),
      fc.record({ sub: fc.string(), exp: fc.constant(NOW + 600), more: fc.jsonValue() }),
      fc.constantFrom<unknown>("{", "5", "[]", "null", ""),
    );
    const hash = fc.constantFrom("sha256", "sha384", "sha512");
    const change = fc.option(fc.tuple(fc.nat(400), fc.constantFrom("", ".", "=", " ", "A", "-", "é", "\n")), {
      freq: 3,
    });
    await fc.assert(
      fc.asyncProperty(header, payload, hash, change, fc.boolean(), async (head, body, by, changed, hasAll) => {
        let token = sign(head, body, by);
        if (changed !== null) {
          const at = changed[0] % (token.length + 1);
          token = token.slice(0, at) + changed[1] + token.slice(at + 1);
        }
        const algorithms = hasAll ? ["HS256", "HS384", "HS512"] : ["HS256"];
        const claims = new HmacTokens(KEY, algorithms).claims(token, RULES);
        const verdict = await jwtVerify(token, KEY, { ...RULES, algorithms }).then(
          (verified) => verified.payload,
          () => null,
        );
        if (claims !== null) expect(claims).toEqual(verdict);
      }),
      { numRuns: 2_000 },
    );
  });
});
