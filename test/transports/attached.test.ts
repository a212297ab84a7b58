import { createServer as createHttpServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createServer, type YamabikoServer } from "../../src/index.ts";

let http: Server;
let yamabiko: YamabikoServer;

/** A server of an application, with ours attached before or after its own listener. */
async function start(order: "before" | "after"): Promise<string> {
  http = createHttpServer();
  const app = (): void => void http.on("request", (_request, response) => response.end("the application's"));
  if (order === "after") app();
  yamabiko = createServer({ server: http, dev: true, log: "memory:" });
  if (order === "before") app();
  await yamabiko.listen();
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

afterEach(async () => {
  await yamabiko.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

describe.each(["before", "after"] as const)("attached %s the application's own listener", (order) => {
  it("answers what is ours, and nothing else", async () => {
    const url = await start(order);
    const ours = await fetch(`${url}/api/messages?roomId=lobby`);
    expect(await ours.json()).toMatchObject({ messages: [] });
    for (const path of ["/", "/api/users", "/api/messages/others", "/healthz"]) {
      expect(await (await fetch(url + path)).text()).toBe("the application's");
    }
  });

  it("leaves everything to the application once it is closed", async () => {
    const url = await start(order);
    await yamabiko.close();
    expect(await (await fetch(`${url}/api/messages?roomId=lobby`)).text()).toBe("the application's");
  });

  it("streams", async () => {
    const url = await start(order);
    const response = await fetch(`${url}/api/events?roomId=feed:news`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await yamabiko.room("feed:news").publish("headline", { text: "hello" });
    let text = "";
    while (!text.includes("headline")) text += (await reader.read()).value ?? "";
    expect(text).toContain('"seq":1');
    await reader.cancel();
  });
});
