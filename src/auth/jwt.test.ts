import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type JWTPayload, SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createTokenVerifier, signToken } from "./jwt.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();
const sign = (key: KeyObject, alg: string, payload: JWTPayload = {}, kid?: string) =>
  new SignJWT({ sub: "ada", ...payload })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setExpirationTime("1h")
    .sign(key);

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe("createTokenVerifier", () => {
  it("gives the identity of a token signed with the secret", async () => {
    const clock = createFakeClock();
    const verify = createTokenVerifier({ secret: SECRET, clock });
    const rooms = { "chat:*": ["read", "write"] };
    const token = await signToken(SECRET, { user: "ada", name: "Ada", rooms, expiresInMs: 60_000 }, clock);
    const identity = await verify(token);
    expect(identity).toMatchObject({ id: "ada", name: "Ada", expiresAt: clock.now() + 60_000 });
    expect(identity.claims.rooms).toEqual(rooms);
  });

  it("believes what it has checked for 30 s, and no longer than the token lasts", async () => {
    const clock = createFakeClock(Date.now());
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const verify = createTokenVerifier({ publicKey: pem(publicKey), clock });
    const lasting = (seconds: number) =>
      new SignJWT({ sub: "ada" })
        .setProtectedHeader({ alg: "EdDSA" })
        .setExpirationTime(Math.floor(clock.now() / 1000) + seconds)
        .sign(privateKey);
    const long = await lasting(3_600);
    const first = await verify(long);
    expect(await verify(long)).toBe(first);
    await clock.advance(30_000);
    expect(await verify(long)).not.toBe(first);
    const short = await lasting(5);
    await verify(short);
    // Past its end and the tolerance for clocks that differ.
    await clock.advance(36_000);
    await expect(verify(short)).rejects.toMatchObject({ code: "token_expired" });
  });

  it("remembers no token of a secret: those are checked as fast as they would be found", async () => {
    const counts: (() => number)[] = [];
    const verify = createTokenVerifier({ secret: SECRET, onKnown: (count) => void counts.push(count) });
    for (const user of ["ada", "bob"]) await verify(await signToken(SECRET, { user, expiresInMs: 60_000 }));
    expect(counts.map((count) => count())).toEqual([0]);
  });

  it("takes the id for a name when there is none", async () => {
    const verify = createTokenVerifier({ secret: SECRET });
    expect((await verify(await signToken(SECRET, { user: "ada", expiresInMs: 60_000 }))).name).toBe("ada");
    expect((await verify(await signToken(SECRET, { user: "ada", name: " ", expiresInMs: 60_000 }))).name).toBe("ada");
  });

  it.each([
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["ES384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["EdDSA", generateKeyPairSync("ed25519")],
  ] as const)("accepts %s with the public key as PEM and as JWK", async (alg, pair) => {
    const token = await sign(pair.privateKey, alg);
    const jwk = JSON.stringify(pair.publicKey.export({ format: "jwk" }));
    expect((await createTokenVerifier({ publicKey: pem(pair.publicKey) })(token)).id).toBe("ada");
    expect((await createTokenVerifier({ publicKey: jwk })(token)).id).toBe("ada");
  });

  it("accepts another algorithm of the key's kind when it is chosen", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const token = await sign(privateKey, "PS256");
    await expect(createTokenVerifier({ publicKey: pem(publicKey) })(token)).rejects.toThrow("not accepted");
    const chosen = createTokenVerifier({ publicKey: pem(publicKey), algorithms: ["PS256"] });
    expect((await chosen(token)).id).toBe("ada");
  });

  it("checks issuer and audience when they are given", async () => {
    const verify = createTokenVerifier({ secret: SECRET, issuer: "https://id.example", audience: "yamabiko" });
    const contents = { user: "ada", expiresInMs: 60_000 };
    const good = await signToken(SECRET, { ...contents, issuer: "https://id.example", audience: "yamabiko" });
    expect((await verify(good)).id).toBe("ada");
    const other = await signToken(SECRET, { ...contents, issuer: "https://evil.example", audience: "yamabiko" });
    await expect(verify(other)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(verify(await signToken(SECRET, contents))).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it.each([
    [{}, "There is no key"],
    [{ secret: SECRET, jwksUrl: "https://id.example/keys" }, "more than one key"],
    [{ secret: "short" }, "at least 32"],
    [{ publicKey: "nonsense" }, "cannot be read"],
    [{ publicKey: JSON.stringify({ kty: "oct", k: "c2VjcmV0" }) }, "not a public one"],
    [{ publicKey: pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey) }, "shorter than 2048"],
    [{ publicKey: pem(generateKeyPairSync("x25519").publicKey) }, "not supported"],
    [{ jwksUrl: "http://id.example/keys" }, "https://"],
    [{ jwksUrl: "keys" }, "not a URL"],
    [{ secret: SECRET, algorithms: ["RS256"] }, "does not fit"],
    [{ secret: SECRET, algorithms: ["none"] }, "does not fit"],
    [{ secret: SECRET, algorithms: [] }, "does not fit"],
  ])("refuses to be made with options that cannot work (%#)", (options, words) => {
    expect(() => createTokenVerifier(options)).toThrow(words);
  });

  it("refuses a private key where a public one belongs", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const text = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(() => createTokenVerifier({ publicKey: text })).toThrow("private key");
    const jwk = JSON.stringify(privateKey.export({ format: "jwk" }));
    expect(() => createTokenVerifier({ publicKey: jwk })).toThrow("not a public one");
  });
});

describe("a published key set", () => {
  async function publish(keys: () => { status?: number; keys?: object[] }) {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      const { status = 200, keys: list = [] } = keys();
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ keys: list }));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/keys`, requests: () => requests };
  }
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" };

  it("is fetched once for many tokens", async () => {
    const { url, requests } = await publish(() => ({ keys: [jwk] }));
    const verify = createTokenVerifier({ jwksUrl: url });
    const token = await sign(pair.privateKey, "ES256", {}, "one");
    const identities = await Promise.all(Array.from({ length: 20 }, () => verify(token)));
    expect(identities.every((identity) => identity.id === "ada")).toBe(true);
    await verify(token);
    expect(requests()).toBe(1);
  });

  it("is not fetched again for every unknown key id", async () => {
    const { url, requests } = await publish(() => ({ keys: [jwk] }));
    const verify = createTokenVerifier({ jwksUrl: url });
    for (let i = 0; i < 20; i++) {
      const token = await sign(pair.privateKey, "ES256", {}, `unknown-${i}`);
      await expect(verify(token)).rejects.toMatchObject({ code: "unauthenticated" });
    }
    expect(requests()).toBe(1);
  });

  it("that cannot be had is `unavailable`, is not hammered, and is asked again later", async () => {
    let status = 500;
    const { url, requests } = await publish(() => ({ status, keys: [jwk] }));
    const clock = createFakeClock(Date.now());
    const verify = createTokenVerifier({ jwksUrl: url, clock });
    const token = await sign(pair.privateKey, "ES256", {}, "one");
    for (let i = 0; i < 5; i++) {
      await expect(verify(token)).rejects.toMatchObject({ code: "unavailable", retryable: true });
    }
    expect(requests()).toBe(1);
    status = 200;
    await clock.advance(5_000);
    expect((await verify(token)).id).toBe("ada");
  });

  it("never checks an HMAC token, even when it publishes a secret", async () => {
    const oct = { kty: "oct", k: Buffer.from(SECRET).toString("base64url"), kid: "two", alg: "HS256" };
    const { url, requests } = await publish(() => ({ keys: [oct] }));
    const verify = createTokenVerifier({ jwksUrl: url });
    await expect(verify(await signToken(SECRET, { user: "ada", expiresInMs: 60_000 }))).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect(requests()).toBe(0);
  });
});

describe("signToken", () => {
  it("refuses what would be refused later", async () => {
    await expect(signToken("short", { user: "ada", expiresInMs: 1 })).rejects.toThrow("at least 32");
    await expect(signToken(SECRET, { user: "", expiresInMs: 1 })).rejects.toThrow("1 to 128");
    await expect(signToken(SECRET, { user: "ada", name: "x".repeat(101), expiresInMs: 1 })).rejects.toThrow("100");
  });
});
