import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { issueDevToken, loadDevSecret } from "./dev.ts";
import { createTokenVerifier } from "./jwt.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});
function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "yamabiko-"));
  directories.push(directory);
  return directory;
}

describe("loadDevSecret", () => {
  it("keeps the secret over a restart, for its owner alone", () => {
    const directory = join(temporary(), "data");
    const secret = loadDevSecret(directory);
    expect(loadDevSecret(directory)).toBe(secret);
    expect(statSync(join(directory, "dev-secret")).mode & 0o077).toBe(0);
  });

  it("replaces one that is too short", () => {
    const directory = temporary();
    writeFileSync(join(directory, "dev-secret"), "short");
    const secret = loadDevSecret(directory);
    expect(readFileSync(join(directory, "dev-secret"), "utf8").trim()).toBe(secret);
    chmodSync(directory, 0o700);
  });

  it("is another one each time without a directory", () => {
    expect(loadDevSecret(null)).not.toBe(loadDevSecret(null));
  });
});

describe("issueDevToken", () => {
  it("gives a token the server accepts", async () => {
    const secret = loadDevSecret(null);
    const { token } = await issueDevToken(secret, { user: "ada", name: "Ada" });
    expect(await createTokenVerifier({ secret })(token)).toMatchObject({ id: "ada", name: "Ada" });
  });

  it.each([null, [], {}, { user: "" }, { user: 5 }, { user: "a\nb" }, { user: "a", name: 5 }])("refuses %j", (body) =>
    expect(issueDevToken(loadDevSecret(null), body)).rejects.toMatchObject({ code: "invalid_message" }),
  );
});
