import { createDecipheriv, createECDH, createHmac, createPublicKey, randomBytes, verify } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PushMessage } from "../features/index.ts";
import { createWebPushSender, lookupPublic, outcomeOf } from "./web-push-sender.ts";

/** Keys as `generate-vapid-keys` makes them. */
function makeKeys() {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  return {
    publicKey: ecdh.getPublicKey().toString("base64url"),
    privateKey: ecdh.getPrivateKey().toString("base64url"),
    subject: "mailto:ops@example.com",
  };
}

const hkdf = (salt: Buffer, secret: Buffer, info: Buffer, length: number): Buffer => {
  const key = createHmac("sha256", salt).update(secret).digest();
  return createHmac("sha256", key)
    .update(Buffer.concat([info, Buffer.from([1])]))
    .digest()
    .subarray(0, length);
};

/** What a browser does with what its push service hands it (RFC 8188, RFC 8291). */
function decrypt(body: Buffer, browser: ReturnType<typeof createECDH>, auth: Buffer): string {
  const salt = body.subarray(0, 16);
  const senderKey = body.subarray(21, 21 + body[20]!);
  const words = Buffer.concat([Buffer.from("WebPush: info\0"), browser.getPublicKey(), senderKey]);
  const secret = hkdf(auth, browser.computeSecret(senderKey), words, 32);
  const key = hkdf(salt, secret, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
  const nonce = hkdf(salt, secret, Buffer.from("Content-Encoding: nonce\0"), 12);
  const record = body.subarray(21 + body[20]!);
  const decipher = createDecipheriv("aes-128-gcm", key, nonce);
  decipher.setAuthTag(record.subarray(-16));
  const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  return padded.subarray(0, padded.lastIndexOf(2)).toString();
}

describe("the sender of Web Push", () => {
  const vapid = makeKeys();
  const browser = createECDH("prime256v1");
  browser.generateKeys();
  const auth = randomBytes(16);
  const message: PushMessage = { payload: JSON.stringify({ title: "やまびこ" }), ttlSeconds: 60, topic: "cart" };
  const received: { headers: IncomingHttpHeaders; body: Buffer }[] = [];
  let status = 201;
  let isSilent = false;
  const service = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ headers: request.headers, body: Buffer.concat(chunks) });
    if (isSilent) return;
    response.writeHead(status, { Location: "http://127.0.0.1:1/", "Retry-After": "7" }).end("x".repeat(100));
  });
  let endpoint: string;
  const subscription = () => ({
    endpoint,
    keys: { p256dh: browser.getPublicKey().toString("base64url"), auth: auth.toString("base64url") },
  });
  beforeEach(async () => {
    received.length = 0;
    status = 201;
    isSilent = false;
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    endpoint = `http://127.0.0.1:${(service.address() as AddressInfo).port}/send/1`;
  });
  afterEach(
    () =>
      new Promise<void>((resolve) => {
        service.close(() => resolve());
        service.closeAllConnections();
      }),
  );

  it("INB-14 gives the push service what only the browser can read, signed with the application's key", async () => {
    expect(await createWebPushSender(vapid, true).send(subscription(), message)).toEqual({ kind: "sent" });
    const { headers, body } = received[0]!;
    expect(decrypt(body, browser, auth)).toBe(message.payload);
    expect(headers).toMatchObject({ ttl: "60", topic: "cart", "content-encoding": "aes128gcm" });
    const [, token, key] = /^vapid t=([^,]+), ?k=(.+)$/.exec(headers.authorization!)!;
    expect(key).toBe(vapid.publicKey);
    const [head, claims, signature] = token!.split(".");
    const point = Buffer.from(vapid.publicKey, "base64url");
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    };
    const publicKey = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" as const };
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify("sha256", signed, publicKey, Buffer.from(signature!, "base64url"))).toBe(true);
    expect(JSON.parse(Buffer.from(claims!, "base64url").toString())).toMatchObject({
      aud: new URL(endpoint).origin,
      sub: vapid.subject,
    });
  });

  it("INB-15 a push service that knows the subscription no more makes it gone", async () => {
    status = 410;
    expect(await createWebPushSender(vapid, true).send(subscription(), message)).toEqual({ kind: "gone" });
  });

  it("INB-14 a push service that is busy is asked again when it says", async () => {
    status = 429;
    expect(await createWebPushSender(vapid, true).send(subscription(), message)).toEqual({
      kind: "retry",
      afterMs: 7_000,
    });
  });

  it("INB-15 follows no redirect", async () => {
    status = 307;
    expect(await createWebPushSender(vapid, true).send(subscription(), message)).toMatchObject({ kind: "refused" });
    expect(received).toHaveLength(1);
  });

  it("INB-15 connects to no address of the own network, whatever the name", async () => {
    const sender = createWebPushSender(vapid);
    const local = { ...subscription(), endpoint: endpoint.replace("127.0.0.1", "localhost") };
    await expect(sender.send(local, message)).rejects.toThrow("own network");
    await expect(
      sender.send({ ...local, endpoint: local.endpoint.replace("http:", "https:") }, message),
    ).rejects.toThrow("own network");
    expect(received).toEqual([]);
    const found = await new Promise((resolve) => lookupPublic("localhost", { all: true }, (error) => resolve(error)));
    expect(found).toBeInstanceOf(Error);
  });

  it("INB-15 a subscription whose keys are no keys is gone", async () => {
    const keys = { p256dh: Buffer.alloc(65, 4).toString("base64url"), auth: auth.toString("base64url") };
    const sender = createWebPushSender(vapid, true);
    expect(await sender.send({ endpoint, keys }, message)).toEqual({ kind: "gone" });
    expect(received).toEqual([]);
  });

  it("a push service that is not there is no answer", async () => {
    const nowhere = { ...subscription(), endpoint: "http://127.0.0.1:1/x" };
    await expect(createWebPushSender(vapid, true).send(nowhere, message)).rejects.toThrow();
  });

  it.each([
    [200, "sent"],
    [204, "sent"],
    [404, "gone"],
    [500, "retry"],
    [503, "retry"],
    [400, "refused"],
    [403, "refused"],
    [413, "refused"],
  ])("%i means %s", (code, kind) => {
    expect(outcomeOf(code, undefined).kind).toBe(kind);
  });

  it("reads when to come back, as seconds or as a date", () => {
    expect(outcomeOf(503, new Date(Date.now() + 60_000).toUTCString())).toMatchObject({
      afterMs: expect.closeTo(60_000, -4) as number,
    });
    expect(outcomeOf(503, "soon")).toEqual({ kind: "retry", afterMs: undefined });
  });

  it.each([
    ["a public key of others", { ...vapid, publicKey: makeKeys().publicKey }],
    ["a private key that is none", { ...vapid, privateKey: "AAAA" }],
    ["a subject that is no address", { ...vapid, subject: "ops" }],
  ])("refuses %s", (_, keys) => {
    expect(() => createWebPushSender(keys)).toThrow(TypeError);
  });
});
