import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nullObserver } from "../observe/observer.ts";
import { Fanout } from "../room/fanout.ts";
import { Outflow } from "./outflow.ts";

describe("the way out of a socket", () => {
  let server: Server;
  let near: Socket;
  let far: Socket;
  let out: Outflow;
  let wakes: number;

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    far = connect((server.address() as AddressInfo).port, "127.0.0.1");
    [near] = (await once(server, "connection")) as [Socket];
    near.on("error", () => {});
    far.on("error", () => {});
    wakes = 0;
    const onWritable = () => void wakes++;
    out = new Outflow(near, new Fanout(nullObserver), 1024 * 1024, { onWritable });
    near.on("drain", () => out.drained());
  });

  afterEach(() => {
    near.destroy();
    far.destroy();
    server.close();
  });

  /** Everything the other side has received, until it has `length` bytes. */
  async function received(length: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of far.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= length) break;
    }
    return Buffer.concat(chunks);
  }

  const numbered = (from: number, count: number): Buffer =>
    Buffer.from(Array.from({ length: count }, (_none, index) => `${from + index};`).join(""));

  it("keeps the order of what leaves at once, what waits in the system, and what the stream writes behind it", async () => {
    const sent: Buffer[] = [];
    // Nobody reads: soon the system takes no more, and the rest goes through the stream.
    for (let turn = 0; turn < 60; turn++) {
      const bytes = numbered(turn * 20_000, 20_000);
      sent.push(bytes);
      out.deliver(bytes);
      out.flush();
    }
    expect(near.writableLength).toBeGreaterThan(0);
    expect(out.bytes).toBeGreaterThan(near.writableLength);
    expect(out.writable).toBe(false);
    const all = Buffer.concat(sent);
    expect((await received(all.length)).equals(all)).toBe(true);
    await vi.waitFor(() => expect(out.bytes).toBe(0));
    expect(wakes).toBeGreaterThan(0);
    expect(out.writable).toBe(true);
  });

  it("counts what one large write has not let go of, and wakes when it has", async () => {
    const large = Buffer.alloc(16 * 1024 * 1024, "x");
    out.deliver(large);
    out.flush();
    expect(out.bytes).toBe(large.length);
    expect(out.writable).toBe(false);
    expect(out.tookSome()).toBe(false);
    expect(wakes).toBe(0);
    expect((await received(large.length)).length).toBe(large.length);
    await vi.waitFor(() => expect(wakes).toBe(1));
    expect(out.bytes).toBe(0);
  });

  it("lets everything leave before the end", async () => {
    const large = Buffer.alloc(16 * 1024 * 1024, "x");
    out.deliver(large);
    out.end();
    near.end();
    let bytes = 0;
    for await (const chunk of far) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(large.length);
  });

  it("ends a socket whose other side is gone, and takes it calmly", async () => {
    // It is not read from, so that only a write can find out.
    far.resetAndDestroy();
    await vi.waitFor(() => {
      out.deliver(Buffer.from("to nobody"));
      out.flush();
      expect(near.destroyed).toBe(true);
    });
    await vi.waitFor(() => expect(near.closed).toBe(true));
    out.deliver(Buffer.from("still nobody"));
    out.flush();
    expect(out.bytes).toBe(0);
  });
});
