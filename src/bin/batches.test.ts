import { describe, expect, it } from "vitest";
import { type BatchLimits, inBatches } from "./batches.ts";

const LIMITS: BatchLimits<string> = { items: 3, size: 10, measure: (item) => item.length };
const never = new AbortController().signal;

async function* from(items: readonly string[], pulled: string[] = []): AsyncGenerator<string> {
  for (const item of items) {
    pulled.push(item);
    yield item;
  }
}

async function all(batches: AsyncIterable<string[]>): Promise<string[][]> {
  const got: string[][] = [];
  for await (const batch of batches) got.push(batch);
  return got;
}

describe("inBatches", () => {
  it("gives what is there together, up to so many and so much, and a large one alone", async () => {
    expect(await all(inBatches(from([]), LIMITS, never))).toEqual([]);
    expect(await all(inBatches(from(["a", "b", "c", "d"]), LIMITS, never))).toEqual([["a", "b", "c"], ["d"]]);
    const large = "x".repeat(20);
    expect(await all(inBatches(from(["12345", "123456", large, "a"]), LIMITS, never))).toEqual([
      ["12345"],
      ["123456"],
      [large],
      ["a"],
    ]);
  });

  it("gives what is there without waiting for more, and reads one batch ahead at most", async () => {
    let more = (): void => {};
    const pulled: string[] = [];
    async function* slow(): AsyncGenerator<string> {
      yield "first";
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield* from(["2", "3", "4", "5", "6", "7", "8"], pulled);
    }
    const batches = inBatches(slow(), LIMITS, never);
    expect((await batches.next()).value).toEqual(["first"]);
    more();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(pulled).toEqual(["2", "3", "4"]);
    expect((await batches.next()).value).toEqual(["2", "3", "4"]);
    expect((await batches.next()).value).toEqual(["5", "6", "7"]);
    expect((await batches.next()).value).toEqual(["8"]);
    expect((await batches.next()).done).toBe(true);
  });

  it("gives what was read before the source failed, then its failure", async () => {
    async function* failing(): AsyncGenerator<string> {
      yield "good";
      throw new Error("broken");
    }
    const batches = inBatches(failing(), LIMITS, never);
    expect((await batches.next()).value).toEqual(["good"]);
    await expect(batches.next()).rejects.toThrow("broken");
  });

  it("ends when it is stopped, although the source does not", async () => {
    const stopping = new AbortController();
    async function* endless(): AsyncGenerator<string> {
      yield "one";
      await new Promise(() => {});
    }
    const batches = inBatches(endless(), LIMITS, stopping.signal);
    expect((await batches.next()).value).toEqual(["one"]);
    const next = batches.next();
    stopping.abort();
    expect((await next).done).toBe(true);
    expect(await all(inBatches(endless(), LIMITS, stopping.signal))).toEqual([]);
  });
});
