import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { inRepository } from "./tables.ts";

const run = promisify(execFile);

describe("README.md", () => {
  it("shows TypeScript that compiles as it stands", async () => {
    const readme = await readFile(inRepository("README.md"), "utf8");
    const samples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
    expect(samples.length).toBeGreaterThan(0);
    await mkdir(inRepository(".cache"), { recursive: true });
    const directory = await mkdtemp(inRepository(".cache/readme-"));
    try {
      await Promise.all(samples.map((sample, index) => writeFile(join(directory, `sample-${index + 1}.ts`), sample)));
      await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
      await writeFile(
        join(directory, "tsconfig.json"),
        JSON.stringify({
          extends: "../../tsconfig.json",
          compilerOptions: {
            paths: {
              yamabiko: ["../../src/index.ts"],
              "yamabiko/client": ["../../src/client/index.ts"],
              "yamabiko/client/*": ["../../src/client/*/index.ts", "../../src/client/*.ts"],
            },
          },
          include: ["*.ts"],
        }),
      );
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
