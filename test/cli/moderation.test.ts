import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { main } from "../../src/bin/main.ts";
import { RawClient, startServer } from "../harness.ts";
import { FakeTerminal } from "./fake-terminal.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";
const KEY = "a-key-that-moderates";

describe("yamabiko revoke, kick and ban", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let terminal: FakeTerminal;
  beforeEach(async () => {
    const apiKeys = [
      { key: KEY, scopes: ["moderate"] as const },
      { key: "a-key-that-publishes", scopes: ["publish"] as const },
    ];
    server = await startServer({ dev: false, auth: { secret: SECRET }, apiKeys });
    terminal = new FakeTerminal({ YAMABIKO_URL: server.wsUrl, YAMABIKO_API_KEY: KEY });
  });
  afterEach(() => server.close());

  const open = async (user: string, token?: string) => {
    const shown = token ?? (await signToken(SECRET, { user, expiresInMs: 60_000 }));
    const client = await RawClient.open(server, undefined, { headers: { Authorization: `Bearer ${shown}` } });
    return Object.assign(client, { welcome: (await client.next("welcome")).payload as { connectionId: string } });
  };

  it("AUTH-10: revoke a user, a token and a connection, and print no token", async () => {
    const token = await signToken(SECRET, { user: "ben", expiresInMs: 60_000 });
    const [ada, ben, cy] = [await open("ada"), await open("ben", token), await open("cy")];
    expect(await main(["revoke", "--user", "ada", "--reason", "lost laptop"], terminal)).toBe(0);
    expect(await main(["revoke", "--token", token], terminal)).toBe(0);
    expect(await main(["revoke", "--connection", cy.welcome.connectionId], terminal)).toBe(0);
    for (const client of [ada, ben, cy]) expect((await client.closed).code).toBe(4401);
    expect(terminal.printed).toEqual([
      "revoked: user ada",
      "revoked: token",
      `revoked: connection ${cy.welcome.connectionId}`,
    ]);
    expect(await main(["revoke", "--connection", cy.welcome.connectionId], terminal)).toBe(1);
  });

  it("AUTH-11: kick and ban, list the bans, and lift them", async () => {
    const eve = await open("eve");
    await eve.join("lobby");
    expect(await main(["kick", "lobby", "eve"], terminal)).toBe(0);
    expect((await eve.next("left_room")).payload).toMatchObject({ reason: "kicked" });
    expect((await eve.join("lobby")).type).toBe("joined_room");
    expect(await main(["ban", "lobby", "eve", "--for", "1h", "--reason", "spam\u001b[31m"], terminal)).toBe(0);
    expect((await eve.next("left_room")).payload).toMatchObject({ reason: "banned" });
    expect(await main(["ban", "lobby"], terminal)).toBe(0);
    expect(terminal.printed.at(-1)).toMatch(/^banned: eve from chat:lobby until 20.*Z \(spam\\u001b\[31m\)$/);
    expect(await main(["ban", "lobby", "eve", "--lift"], terminal)).toBe(0);
    expect(await main(["ban", "lobby", "eve", "--lift"], terminal)).toBe(1);
    expect((await eve.join("lobby")).type).toBe("joined_room");
    expect(await main(["ban", "lobby"], terminal)).toBe(0);
    expect(terminal.noted).toEqual(["Nobody is banned from lobby."]);
  });

  it.each([
    [["revoke"], {}, 2, "Name one of"],
    [["revoke", "--user", "a", "--token", "b"], {}, 2, "Name one of"],
    [["kick", "lobby"], {}, 2, "Name the room and the user"],
    [["ban", "lobby", "eve", "--for", "soon"], {}, 2, "not a duration"],
    [["ban"], {}, 2, "Name the room"],
    [["revoke", "--user", "a"], { YAMABIKO_API_KEY: "" }, 2, "no API key"],
    [["revoke", "--user", "a"], { YAMABIKO_API_KEY: "not-one-of-them" }, 1, "not accepted"],
    [["revoke", "--user", "a"], { YAMABIKO_API_KEY: "a-key-that-publishes" }, 1, "scope `moderate`"],
    [["kick", "no such room", "eve"], {}, 1, "invalid_message"],
    [["revoke", "--user", "a"], { YAMABIKO_URL: "http://127.0.0.1:9" }, 1, "unavailable"],
  ])("%j with %j ends with %d and says why", async (args, env, code, words) => {
    const other = new FakeTerminal({ YAMABIKO_URL: server.wsUrl, YAMABIKO_API_KEY: KEY, ...env });
    expect(await main(args, other)).toBe(code);
    expect(other.noted.join("\n")).toContain(words);
    expect(other.printed).toEqual([]);
  });
});
