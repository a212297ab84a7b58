import { get, type IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer, until } from "../harness.ts";

let server: Awaited<ReturnType<typeof startServer>>;
const words = { text: "the same words again and again ".repeat(100) };

beforeEach(async () => {
  server = await startServer({ compression: true });
});

afterEach(() => server.close());

function ask(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(server.url + path, { headers, agent: false }, resolve).on("error", reject);
  });
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("an answer", () => {
  it("is compressed for one who takes gzip, and says the same", async () => {
    await server.room("feed:news").publish("news", words);
    const path = "/api/messages?roomId=feed:news";
    const plain = await ask(path);
    const text = await bodyOf(plain);
    expect(plain.headers["content-encoding"]).toBeUndefined();
    const small = await ask(path, { "Accept-Encoding": "gzip" });
    const bytes = await bodyOf(small);
    expect(small.headers).toMatchObject({ "content-encoding": "gzip", "content-length": String(bytes.length) });
    expect(small.headers.vary).toContain("Accept-Encoding");
    expect(bytes.length).toBeLessThan(text.length / 4);
    expect(gunzipSync(bytes)).toEqual(text);
    const again = await ask(path, { "If-None-Match": String(plain.headers.etag), "Accept-Encoding": "gzip" });
    expect(again.statusCode).toBe(304);
    again.resume();
  });

  it("that is small is not", async () => {
    const response = await ask("/api/messages?roomId=feed:news", { "Accept-Encoding": "gzip" });
    expect(response.headers["content-encoding"]).toBeUndefined();
    response.resume();
  });
});

describe("a stream", () => {
  /** The text of a stream, as it comes in, and the bytes that carried it. */
  async function open(path: string, encoding: string) {
    const response = await fetch(server.url + path, { headers: { "Accept-Encoding": encoding } });
    const stream = { response, text: "", cancel: () => reader.cancel() };
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    void (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        stream.text += value;
      }
    })().catch(() => {});
    await until(() => stream.text.includes("room_users"));
    return stream;
  }

  it("is compressed for one who takes gzip, event by event, and says the same", async () => {
    const small = await open("/api/events?roomId=feed:news", "gzip");
    const plain = await open("/api/events?roomId=feed:news", "identity");
    expect(small.response.headers.get("content-encoding")).toBe("gzip");
    expect(plain.response.headers.get("content-encoding")).toBeNull();
    for (let n = 1; n <= 5; n++) {
      await server.room("feed:news").publish("news", n % 2 === 0 ? words : { n });
      await until(() => small.text.includes(`"seq":${n}}`) && plain.text.includes(`"seq":${n}}`));
    }
    const eventsOf = ({ text }: { text: string }): string[] =>
      text.split("\n\n").filter((block) => block.includes('"type":"news"'));
    expect(eventsOf(small)).toHaveLength(5);
    expect(eventsOf(small)).toEqual(eventsOf(plain));
    await small.cancel();
    await plain.cancel();
  });

  it("of several rooms goes as it is: its ids are its own", async () => {
    const stream = await open("/api/events?roomId=feed:news&roomId=feed:prices", "gzip");
    expect(stream.response.headers.get("content-encoding")).toBeNull();
    await stream.cancel();
  });

  it("takes fewer bytes", async () => {
    const response = await ask("/api/events?roomId=feed:news", { "Accept-Encoding": "gzip" });
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    response.on("error", () => {});
    for (let n = 0; n < 10; n++) await server.room("feed:news").publish("news", words);
    await server.room("feed:news").publish("news", { last: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(bytes).toBeGreaterThan(500);
    expect(bytes).toBeLessThan(5_000);
    response.destroy();
  });
});
