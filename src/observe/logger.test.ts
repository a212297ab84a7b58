import { describe, expect, it } from "vitest";
import { createLogger, type LogLevel, removeSecrets } from "./logger.ts";

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";

function linesOf(log: (logger: ReturnType<typeof createLogger>) => void, level: LogLevel = "info"): string {
  let written = "";
  const destination = {
    write(line: string) {
      written += line;
    },
  };
  log(createLogger({ level, destination }));
  return written;
}

describe("the logger", () => {
  it("writes one JSON object per line with an ISO time and the level's name", () => {
    const line = linesOf((logger) => logger.info({ rooms: 3 }, "listening"));
    expect(JSON.parse(line)).toMatchObject({ level: "info", rooms: 3, msg: "listening" });
    expect(JSON.parse(line).time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("writes nothing when silent", () => {
    expect(linesOf((logger) => logger.fatal("x"), "silent")).toBe("");
  });

  it("ERR-3 removes credentials and contents by name, up to two levels down", () => {
    const written = linesOf((logger) => {
      logger.info({ token: "canary", payload: { content: "canary" } });
      logger.info({ request: { headers: { authorization: "canary", cookie: "canary" }, ticket: "canary" } });
      logger.info({ config: { jwtSecret: "canary", apiKey: "canary", apiKeys: [{ key: "canary" }] } });
    });
    expect(written).not.toContain("canary");
    expect(written).toContain("[removed]");
  });

  it("ERR-3 removes what looks like a credential anywhere in a line", () => {
    const written = linesOf((logger) => {
      logger.info({ url: "/ws?ticket=canary-ticket&x=1" }, `refused ${JWT}`);
      logger.error(new Error(`bad header Bearer canary.token and ${JWT}`));
    });
    expect(written).not.toContain("canary");
    expect(written).not.toContain("eyJ");
    for (const line of written.trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
  });

  it("[case 28] keeps a name with line breaks and escapes on one line", () => {
    const written = linesOf((logger) => logger.warn({ name: 'x\r\n{"level":"fatal"}\u001b[31m' }, "odd\nname"));
    expect(written.trimEnd().split("\n")).toHaveLength(1);
    expect(written).not.toContain("\u001b");
  });
});

describe("removeSecrets", () => {
  it("leaves the rest as it is", () => {
    expect(removeSecrets("GET /api/events?ticket=abc&after=3")).toBe("GET /api/events?ticket=[removed]&after=3");
    expect(removeSecrets("nothing here")).toBe("nothing here");
  });
});
