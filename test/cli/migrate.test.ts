import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../src/bin/main.ts";
import { SCHEMA_VERSION } from "../../src/log/postgres/schema.ts";
import { createPostgresLog } from "../../src/log/postgres.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const server = await PostgresServer.start();
afterAll(() => server.stop());

describe("yamabiko migrate", () => {
  let terminal: FakeTerminal;
  beforeEach(() => {
    terminal = new FakeTerminal();
  });

  it("makes the tables of a log, once", async () => {
    const line = ["migrate", "--log", server.url("?schema=made")];
    expect(await main(line, terminal)).toBe(0);
    expect(await main(line, terminal)).toBe(0);
    expect(terminal.printed).toEqual([
      `The tables were made (version ${SCHEMA_VERSION}).`,
      `The tables are up to date (version ${SCHEMA_VERSION}).`,
    ]);
  });

  it("may be done by several at once", async () => {
    const line = ["migrate", "--log", server.url("?schema=at_once")];
    expect(await Promise.all([1, 2, 3, 4].map(() => main(line, terminal)))).toEqual([0, 0, 0, 0]);
    const [row] = await server.ask("SELECT count(*)::integer AS count FROM at_once.versions");
    expect(row).toEqual({ count: SCHEMA_VERSION });
  });

  it("brings tables of an earlier version up to date, and keeps what is in them", async () => {
    const url = server.url("?schema=earlier");
    const before = await createPostgresLog({ url });
    const { epoch } = await before.append("chat:a", "ann", "m-1", { type: "said", data: "1" });
    await before.close();
    await server.ask(`DELETE FROM earlier.versions WHERE version > 1;
      DROP FUNCTION earlier.put_snapshot(text, bigint, text, integer, bigint);
      DROP FUNCTION earlier.end_epoch(text, text, bigint, bigint, bigint)`);
    expect(await main(["migrate", "--log", url], terminal)).toBe(0);
    expect(terminal.printed.join("\n")).toContain(`version 1 to ${SCHEMA_VERSION}`);
    const after = await createPostgresLog({ url });
    expect(await after.append("chat:a", "ann", null, { type: "said", data: "2" })).toMatchObject({ epoch, seq: 2 });
    await after.putSnapshot("chat:a", 2, "{}");
    await after.close();
  });

  it("lets servers do without the right to make tables", async () => {
    const own = server.url("?schema=prepared").replace("postgres@", "app@");
    await server.ask("CREATE ROLE app LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC");
    await expect(createPostgresLog({ url: own })).rejects.toMatchObject({
      code: "unavailable",
      remedy: expect.stringContaining("yamabiko migrate"),
    });
    await main(["migrate", "--log", server.url("?schema=prepared")], terminal);
    // As docs/guides/several-nodes.md says.
    await server.ask(`GRANT USAGE ON SCHEMA prepared TO app;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA prepared TO app;
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA prepared TO app`);
    const log = await createPostgresLog({ url: own });
    expect(await log.append("chat:a", "ann", "m-1", { type: "said", data: "1" })).toMatchObject({ seq: 1 });
    expect(await log.setMark("chat:a", "read", "ann", 1)).toEqual({ seq: 1, moved: true });
    expect(await log.trim("chat:a", { maxEvents: 0 })).toBe(1);
    await log.putSnapshot("chat:a", 1, "{}");
    await log.close();
  });

  it("refuses tables of a newer version", async () => {
    await main(["migrate", "--log", server.url("?schema=newer")], terminal);
    await server.ask("INSERT INTO newer.versions (version) VALUES (99)");
    expect(await main(["migrate", "--log", server.url("?schema=newer")], terminal)).toBe(1);
    expect(terminal.noted.join("\n")).toMatch(/version 99.*Run the newer version/s);
  });

  it("has nothing to do for other logs", async () => {
    expect(await main(["migrate", "--log", "redis://nowhere.invalid"], terminal)).toBe(0);
    expect(terminal.printed).toEqual([expect.stringContaining("nothing to do")]);
  });

  it("says what is wrong with an address, without its password", async () => {
    expect(await main(["migrate", "--log", "postgres://u:canary@127.0.0.1:1/x?schema=NO"], terminal)).toBe(1);
    expect(terminal.noted.join("\n")).toContain("schema");
    expect(terminal.noted.join("\n")).not.toContain("canary");
  });
});
