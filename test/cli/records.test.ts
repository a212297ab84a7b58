import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { main } from "../../src/bin/main.ts";
import { createSqliteLog } from "../../src/log/sqlite.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { startServer } from "../harness.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const API_KEY = "an-api-key-of-back-ends";
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function run(...args: string[]) {
  const terminal = new FakeTerminal({ YAMABIKO_API_KEY: API_KEY });
  const code = await main(args, terminal);
  return { code, printed: terminal.printed, noted: terminal.noted };
}

async function startWith(count: number) {
  const server = await startServer({ dev: false, guests: true, apiKeys: [API_KEY], limits: { requestsPerSecond: 0 } });
  cleanups.push(() => server.close());
  const said = Array.from({ length: count }, (_, index) =>
    server
      .room("lobby")
      .publish("new_message", { content: `word ${index + 1}` }, { sender: index % 2 ? "ann" : "ben" }),
  );
  await Promise.all(said);
  return server;
}

describe("yamabiko export", () => {
  it("prints who sent what when, all of it, through a server", async () => {
    const server = await startWith(1_203);
    const { code, printed } = await run("export", "lobby", "--url", server.url);
    expect(code).toBe(0);
    const events = printed.map((line) => JSON.parse(line));
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_203 }, (_, index) => index + 1));
    expect(events[1]).toMatchObject({
      roomId: "chat:lobby",
      type: "new_message",
      sender: "ann",
      messageId: null,
      payload: { content: "word 2" },
    });
    expect(events[1].savedId).toMatch(/:2$/);
    expect(Date.parse(events[1].timestamp)).toBeGreaterThan(0);
  });

  it("prints a part, by seq or time, and says what is no longer kept", async () => {
    const server = await startWith(10);
    const seqs = async (...args: string[]) =>
      (await run("export", "lobby", "--url", server.url, ...args)).printed.map((line) => JSON.parse(line).seq);
    expect(await seqs("--from", "3", "--to", "5")).toEqual([3, 4, 5]);
    expect(await seqs("--to", "2000-01-01")).toEqual([]);
    expect(await seqs("--from", "2000-01-01T00:00:00Z", "--to", "2")).toEqual([1, 2]);
    expect(await seqs("--from", "2999-01-01")).toEqual([]);
    expect((await run("export", "lobby", "--from", "soon")).code).toBe(2);
    expect((await run("export")).code).toBe(2);
    expect((await run("export", "lobby", "--format", "xml")).code).toBe(2);
  });

  it("prints CSV that a spreadsheet reads and does not run", async () => {
    const server = await startWith(0);
    await server.room("lobby").publish("said", { content: 'a "b", c\n=SUM(1)' }, { sender: "=cmd()" });
    const { printed } = await run("export", "lobby", "--format", "csv", "--url", server.url);
    expect(printed[0]).toBe("roomId,seq,savedId,timestamp,type,sender,messageId,payload");
    expect(printed).toHaveLength(2);
    expect(printed[1]).toMatch(
      /^chat:lobby,1,[\w-]+:1,\d{4}-[^,]+,said,'=cmd\(\),,"\{""content"":""a \\""b\\"", c\\n=SUM\(1\)""\}"$/,
    );
  });

  it("reads the log itself, and says so when there is none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-export-"));
    cleanups.push(() => rm(directory, { recursive: true }));
    const path = join(directory, "log.db");
    expect((await run("export", "lobby", "--log", `sqlite:${path}`)).noted[0]).toContain("There is no file");
    const log = await createSqliteLog({ path, clock: createFakeClock() });
    for (const word of ["one", "two", "three"]) {
      await log.append("chat:lobby", "ann", null, { type: "said", data: JSON.stringify({ word }) });
    }
    await log.trim("chat:lobby", { maxEvents: 2 });
    await log.close();
    const { code, printed, noted } = await run("export", "lobby", "--log", `sqlite:${path}`);
    expect(code).toBe(0);
    expect(noted).toEqual(["Events 1 to 1 are no longer kept."]);
    expect(printed.map((line) => JSON.parse(line).payload)).toEqual([{ word: "two" }, { word: "three" }]);
  });

  it("needs the key of a back end, and says where there is no server", async () => {
    const server = await startWith(1);
    const terminal = new FakeTerminal({ YAMABIKO_API_KEY: "another-key-than-that" });
    expect(await main(["export", "lobby", "--url", server.url], terminal)).toBe(1);
    expect(terminal.noted[0]).toContain("unauthenticated");
    expect((await run("export", "lobby", "--url", "http://127.0.0.1:9")).noted[0]).toContain("no answer");
  });
});

describe("yamabiko erase", () => {
  it("erases what a person said, when it is meant", async () => {
    const server = await startWith(6);
    const unsure = await run("erase", "ann", "--url", server.url);
    expect(unsure.code).toBe(2);
    expect(unsure.noted[1]).toContain("--yes");
    const { code, printed } = await run("erase", "ann", "--yes", "--url", server.url);
    expect(code).toBe(0);
    expect(printed[0]).toBe("Erased 3 events in 1 rooms, and 0 read marks, of ann.");
    const exported = (await run("export", "lobby", "--url", server.url)).printed.join("\n");
    for (const word of ["word 2", "word 4", "word 6"]) expect(exported).not.toContain(`"${word}"`);
    expect(exported).toContain('"word 1"');
    expect(exported).toContain('"events_erased"');
  });
});
