import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { until } from "../../harness.ts";
import { curl, curlLines } from "../curl.ts";
import { atEnd, type State, start } from "./world.ts";

const GUIDE = readFileSync(new URL("../../../docs/guides/dashboard.md", import.meta.url), "utf8");

describe("docs/guides/dashboard.md", () => {
  it("has lines of curl that do what it says", async () => {
    const server = await start();
    const [publish, follow, read] = curlLines(GUIDE, server.url);
    const taken = JSON.parse(await curl(publish!).text) as { name: string; values: object };
    expect(taken).toMatchObject({ name: "shop", values: { orders: 12, revenue: 1830.5 } });
    const following = curl(follow!);
    atEnd(() => following.stop());
    await until(() => following.soFar().includes("joined_room"));
    await curl(publish!).text;
    await until(() => following.soFar().includes("event: metrics_update"));
    const state = JSON.parse(await curl(read!).text) as State;
    expect(state.columns).toEqual(["t", "orders", "revenue"]);
    expect(state.rows.at(-1)?.slice(1)).toEqual([12, 1830.5]);
  });

  it("names an address for EventSource that a stream answers with what it says", async () => {
    const server = await start();
    await server.dashboard("shop").set({ orders: 1 });
    const address = /new EventSource\("([^"]+)"\)/.exec(GUIDE)?.[1];
    const stopping = new AbortController();
    atEnd(() => stopping.abort());
    const response = await fetch(`${server.url}${address}`, { signal: stopping.signal });
    let text = "";
    for await (const chunk of response.body!) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (/event: joined_room\ndata: .*"rows":\[\[\d+,1\]\]/.test(text)) break;
    }
    expect(response.headers.get("Content-Type")).toMatch(/^text\/event-stream/);
  });
});
