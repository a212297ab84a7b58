import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { inRepository } from "./tables.ts";

const run = promisify(execFile);
const scale = async (...options: string[]) =>
  (await run(process.execPath, [inRepository("scripts/scale.mjs"), ...options])).stdout;

interface Size {
  readonly nodes: number;
  readonly nodesBecauseOf: string;
  readonly shards: number;
  readonly messages: number;
  readonly deliveries: number;
  readonly serving: number;
  readonly nodeCpu: Readonly<Record<"deliveries" | "hearing" | "heartbeats", number>>;
  readonly redisBytes: number;
}

const sizeOf = async (...options: string[]) => JSON.parse(await scale("--json", ...options)) as Size;
const blocks = (text: string) =>
  new Map(
    Array.from(text.matchAll(/<!-- scale: (\S+) -->\n([\s\S]*?)<!-- end -->/g), ([, name, table]) => [name, table]),
  );

describe("the guide to scale", () => {
  it("has the tables the script prints (`node scripts/scale.mjs --write`)", async () => {
    const guide = blocks(await readFile(inRepository("docs/guides/scale.md"), "utf8"));
    expect(guide.size).toBe(7);
    expect(guide).toEqual(blocks(await scale()));
  });

  it("says what was never run", async () => {
    const guide = await readFile(inRepository("docs/guides/scale.md"), "utf8");
    expect(guide).toMatch(/One million and ten million connections were never run/);
    expect(guide.match(/\*\*assumed\*\*/g)!.length).toBeGreaterThan(2);
  });
});

describe("the script that computes scale", () => {
  it("multiplies: messages, deliveries, events in Redis", async () => {
    const size = await sizeOf(
      "--connections",
      "60000",
      "--members",
      "30",
      "--messages-per-minute",
      "2",
      "--kept-events",
      "10",
    );
    expect(size.messages).toBe(2_000);
    expect(size.deliveries).toBe(60_000);
    expect(size.nodeCpu.deliveries).toBeCloseTo(0.48);
    // 4,000 rooms of 10 events.
    expect(size.redisBytes).toBe(4_000 * (300 + 10 * 380));
  });

  it("never has fewer nodes than two, and more for what needs more", async () => {
    const small = await sizeOf("--connections", "100");
    expect(small).toMatchObject({ nodes: 2, nodesBecauseOf: "one may end", shards: 1 });
    const usual = await sizeOf("--connections", "200000");
    const busy = await sizeOf("--connections", "200000", "--messages-per-minute", "20");
    const close = await sizeOf("--connections", "200000", "--messages-per-minute", "20", "--room-nodes", "1");
    expect(busy.nodes).toBeGreaterThan(usual.nodes);
    expect(busy.shards).toBeGreaterThan(usual.shards);
    expect(close.nodes).toBeLessThan(busy.nodes);
    expect(close).toMatchObject({ serving: 1, nodeCpu: { hearing: 0 } });
    const forgetful = await sizeOf("--connections", "200000", "--tail-events", "4096");
    expect(forgetful.nodesBecauseOf).toBe("memory");
  });

  it("has no more nodes serve a room than it has members, nor than there are", async () => {
    const many = await sizeOf("--connections", "1000000", "--members", "5");
    expect(many.serving).toBeLessThanOrEqual(5);
    const few = await sizeOf("--connections", "10000", "--members", "5000", "--messages-per-minute", "0.01");
    expect(few.serving).toBeCloseTo(few.nodes);
  });

  it("brings everybody back after a storm, later where less is free, and after giving up where it takes too long", async () => {
    const { comeBack } = (await import(pathToFileURL(inRepository("scripts/scale/model.mjs")).href)) as {
      comeBack(storm: { clients: number; nodes: number; spareLoad: number }): {
        seconds: number;
        halfSeconds: number;
        gaveUp: number;
        longest: number;
      };
    };
    const easy = comeBack({ clients: 1_000, nodes: 10, spareLoad: 0.5 });
    // Half to all of a second is what clients wait by themselves.
    expect(easy).toMatchObject({ gaveUp: 0, seconds: 1 });
    const hard = comeBack({ clients: 20_000, nodes: 2, spareLoad: 0.5 });
    expect(hard.seconds).toBeGreaterThan((20_000 * 510e-6) / (2 * 0.5));
    expect(hard.halfSeconds).toBeLessThan(hard.seconds);
    const tooMuch = comeBack({ clients: 100_000, nodes: 2, spareLoad: 0.5 });
    expect(tooMuch.gaveUp).toBeGreaterThan(0);
    expect(Number.isFinite(tooMuch.seconds)).toBe(true);
  });

  it("refuses what is no workload", async () => {
    for (const options of [
      ["--connections", "0"],
      ["--members", "many"],
      ["--colour", "red"],
    ]) {
      await expect(scale(...options)).rejects.toMatchObject({ code: 2, stdout: "" });
    }
  });
});
