import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { inRepository } from "./tables.ts";

const run = promisify(execFile);

describe("docs/guides/game.md", () => {
  it("shows files that compile together as they stand", async () => {
    const guide = await readFile(inRepository("docs/guides/game.md"), "utf8");
    const files = [...guide.matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];
    expect(files.map((match) => match[1])).toEqual(["rules.ts", "server.ts", "page.ts"]);
    await mkdir(inRepository(".cache"), { recursive: true });
    const directory = await mkdtemp(inRepository(".cache/game-guide-"));
    try {
      await Promise.all(files.map(([, name, text]) => writeFile(join(directory, name!), text!)));
      await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
      const paths = {
        yamabiko: ["../../src/index.ts"],
        "yamabiko/client": ["../../src/client/index.ts"],
        "yamabiko/client/game": ["../../src/client/game/index.ts"],
        "yamabiko/features": ["../../src/features/index.ts"],
        "yamabiko/game": ["../../src/protocol/game/index.ts"],
      };
      const config = { extends: "../../tsconfig.json", compilerOptions: { paths }, include: ["*.ts"] };
      await writeFile(join(directory, "tsconfig.json"), JSON.stringify(config));
      const tsc = inRepository("node_modules/typescript/bin/tsc");
      const complaints = await run(process.execPath, [tsc, "-p", directory]).then(
        () => "",
        (error: { stdout?: string }) => error.stdout || String(error),
      );
      expect(complaints).toBe("");
    } finally {
      await rm(directory, { recursive: true });
    }
  }, 120_000);
});
