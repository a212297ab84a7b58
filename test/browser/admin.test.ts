import { mkdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { devToken, RawClient } from "../harness.ts";
import { launchBrowser } from "./browser.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { newDirectory, type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";
/** Clients that do something beside the one that is slow. A run to look at the console under load takes more. */
const CLIENTS = Number(process.env.TEST_ADMIN_CLIENTS ?? 30);
/** Two thirds of these are in the busy room. */
const TALKERS = 30;
const WIDE = { width: 1360, height: 900 };
const MIDDLING = { width: 880, height: 900 };
const NARROW = { width: 390, height: 844 };
const ROOM = "chat:busy";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 40_000 };

describe("the admin console in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let directory: string;
  let slow: Socket;
  const clients: RawClient[] = [];
  let talking: ReturnType<typeof setInterval>;

  const shot = async (name: string): Promise<void> =>
    void (await page.screenshot({ path: `${SHOTS}/admin-${name}.png` }));

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    directory = await newDirectory();
    server = await startServer({ directory });
    const at = { url: server.url, wsUrl: `${server.url.replace("http", "ws")}/ws` };
    for (let index = 0; index < CLIENTS; index++) {
      const client = await RawClient.open(at, `user-${index}`);
      await client.join(index % 3 === 0 || index >= TALKERS ? "chat:quiet" : ROOM);
      clients.push(client);
    }
    slow = await stalled(at.wsUrl, await devToken(server.url, "sloth", "Sloth"));
    let turn = 0;
    talking = setInterval(() => {
      for (const each of clients) each.rewind();
      const client = clients[(turn++ * 3 + 1) % TALKERS];
      // Fast enough to fill what the system holds for somebody who does not read, within seconds.
      for (let index = 0; index < 5; index++) {
        client?.send("send_message", { roomId: ROOM, content: "x".repeat(3_000) }, `said-${turn}-${index}`);
      }
    }, 10);
    browser = await launchBrowser();
    context = await browser.newContext({ viewport: WIDE, locale: "en-GB" });
    page = await context.newPage();
    await page.goto(server.adminUrl);
  }, 90_000);

  afterAll(async () => {
    clearInterval(talking);
    for (const client of clients) client.close();
    slow?.destroy();
    await browser?.close();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("lets in whoever shows the secret, and nobody else", async () => {
    await page.getByLabel("Secret").fill("not-the-secret-at-all");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("The secret is not accepted.").waitFor();
    await shot("login");
    await page.getByLabel("Secret").fill(server.adminSecret);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "Overview" }).waitFor();
    await page.getByRole("status").getByText("Live").waitFor(PATIENT);
  });

  it("shows how the server is, live, by the room that everybody may read", async () => {
    await expect.poll(() => page.locator(".console-charts canvas").count(), PATIENT).toBe(5);
    const connections = page.locator(".tile", { hasText: "Connections" }).locator(".tile-value");
    await expect
      .poll(async () => Number(await connections.first().textContent()), PATIENT)
      .toBeGreaterThanOrEqual(CLIENTS);
    expect(await page.getByRole("row").filter({ hasText: "Serving" }).count()).toBe(1);
  });

  it("leads to the slow client in three clicks, and says why it is slow", async () => {
    const tile = page.getByRole("link", { name: /Slow connections/ });
    await expect.poll(() => tile.textContent(), PATIENT).toContain("Show them");
    await shot("overview");
    await tile.click();
    await page.getByRole("button", { name: "Sloth" }).click(PATIENT);
    const why = page.getByRole("region", { name: "Why it is slow" });
    await why.getByText(/bytes slower than they come|has taken no bytes for/).waitFor(PATIENT);
    await why.getByText(/In chat:busy it is [\d,]+ events behind/).waitFor(PATIENT);
    // Those who keep up are not called slow, however much comes.
    expect(await page.getByRole("table").getByRole("button").allTextContents()).toEqual(["Sloth"]);
    await shot("slow");
    await page.keyboard.press("Escape");
    await expect.poll(() => why.count()).toBe(0);
  });

  it("finds a connection by its user, and says when there is none", async () => {
    await page.getByRole("link", { name: "Connections", exact: true }).click();
    await page.getByRole("searchbox").fill("user-1");
    const rows = page.getByRole("table").getByRole("button");
    await rows.filter({ hasText: /^user-1$/ }).waitFor(PATIENT);
    await page.getByRole("searchbox").fill("nobody at all");
    await page.getByText("Nothing fits.").waitFor(PATIENT);
  });

  it("shows a room, who is in it, and its log page by page", async () => {
    await page.getByRole("link", { name: "Rooms" }).click();
    await page.getByRole("link", { name: ROOM }).click(PATIENT);
    const log = page.getByRole("table", { name: "Log" });
    await log.getByText("new_message").first().waitFor(PATIENT);
    const newest = async () => Number(await log.locator("tbody td").first().textContent());
    const before = await newest();
    await page.getByRole("button", { name: "Older events" }).click();
    await expect.poll(newest, PATIENT).toBeLessThan(before);
    await page.getByRole("region", { name: "Members" }).getByText("user-1", { exact: true }).waitFor();
    await shot("room");
  });

  it("traces a user while somebody looks, and shows payloads only when asked", async () => {
    await page.getByRole("link", { name: "Trace", exact: true }).click();
    await page.getByLabel("Which").fill("user-1");
    await page.getByRole("button", { name: "Start" }).click();
    const trace = page.getByRole("table", { name: "Trace" });
    await trace.getByText("from client").first().waitFor(PATIENT);
    await trace.getByText("ack").first().waitFor(PATIENT);
    expect(await trace.getByText("xxxxxxxx").count()).toBe(0);
    await page.getByLabel("Show what the messages say").check();
    await trace.getByText("xxxxxxxx").first().waitFor(PATIENT);
    await shot("trace");
  });

  it("takes a user out of a room, asked twice; and says something to everybody", async () => {
    const [first] = clients;
    await page.goto(`${server.adminUrl}/#/rooms/chat:quiet`);
    const member = page.getByRole("listitem").filter({ hasText: "user-0" });
    await member.getByRole("button", { name: "Take out" }).click(PATIENT);
    await page.getByRole("dialog").getByRole("button", { name: "Take out" }).click();
    await expect.poll(() => member.count(), PATIENT).toBe(0);
    await page.getByRole("button", { name: "Announce" }).click();
    await page.getByLabel("Text").fill("We restart at noon.");
    clearInterval(talking);
    await page.getByRole("dialog").getByRole("button", { name: "Announce" }).click();
    expect((await first!.next("announcement")).payload).toEqual({ text: "We restart at noon.", level: "info" });
  });

  it.each([
    ["wide, light, English", WIDE, "light", "en"],
    ["wide, dark, Japanese", WIDE, "dark", "ja"],
    ["middling, light, English", MIDDLING, "light", "en"],
    ["narrow, dark, English", NARROW, "dark", "en"],
    ["narrow, light, Japanese", NARROW, "light", "ja"],
  ] as const)("can be read and reached: %s", async (name, viewport, theme, language) => {
    await page.setViewportSize(viewport);
    await page.evaluate(
      ([theme, language]) => {
        localStorage.setItem("yamabiko.theme", theme);
        localStorage.setItem("yamabiko.language", language);
      },
      [theme, language] as const,
    );
    for (const path of ["overview", "connections", "rooms", "rooms/chat:busy", "trace"]) {
      await page.goto(`${server.adminUrl}/#/${path}`);
      await page.reload();
      await page
        .locator(path === "trace" ? "form" : "table")
        .first()
        .waitFor(PATIENT);
      if (path === "overview") await page.locator(".console-charts canvas").first().waitFor(PATIENT);
      await shot(`${path.replaceAll(/\W/g, "-")}-${name.replaceAll(/\W+/g, "-")}`);
      expect(await lowContrast(page), path).toEqual([]);
      expect(await namelessControls(page), path).toEqual([]);
      // Tables scroll by themselves.
      await page.addStyleTag({ content: ".console-scroll table { display: none }" });
      expect(await overflowing(page), path).toEqual([]);
    }
  });

  it("says that the server cannot be reached, and asks for the secret again when the session is over", async () => {
    await page.setViewportSize(WIDE);
    await page.evaluate(() => localStorage.setItem("yamabiko.language", "en"));
    await page.goto(`${server.adminUrl}/#/connections`);
    await page.reload();
    await page.getByRole("table").waitFor(PATIENT);
    await context.setOffline(true);
    await page.getByText("The server cannot be reached.").waitFor(PATIENT);
    await shot("offline");
    await context.setOffline(false);
    await expect.poll(() => page.getByText("The server cannot be reached.").count(), PATIENT).toBe(0);
    await context.clearCookies();
    await page.getByText("Log in again").waitFor(PATIENT);
  });
});

/** Somebody who joins the busy room and then reads nothing any more. */
async function stalled(wsUrl: string, token: string): Promise<Socket> {
  const { hostname, port } = new URL(wsUrl);
  const socket = connect(Number(port), hostname);
  const client = new WebSocket(wsUrl, {
    createConnection: () => socket,
    headers: { Authorization: `Bearer ${token}` },
  });
  client.on("error", () => {});
  const joined = new Promise<void>((resolve) => {
    client.on("message", (bytes) => {
      if (String(bytes).includes('"joined_room"')) resolve();
    });
  });
  client.on("open", () => client.send(JSON.stringify({ type: "join_room", payload: { roomId: ROOM } })));
  await joined;
  socket.pause();
  return socket;
}
