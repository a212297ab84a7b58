import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { inRepository } from "./tables.ts";

const run = promisify(execFile);

/** Guides whose samples are whole programs. */
const GUIDES = ["docs/guides/documents.md"];

it("the guides show TypeScript that compiles as it stands", { timeout: 240_000 }, async () => {
  await mkdir(inRepository(".cache"), { recursive: true });
  const directory = await mkdtemp(inRepository(".cache/guides-"));
  try {
    let count = 0;
    for (const guide of GUIDES) {
      const text = await readFile(inRepository(guide), "utf8");
      for (const [, sample] of text.matchAll(/^```ts(?: \w+)?\n([\s\S]*?)^```$/gm)) {
        await writeFile(join(directory, `sample-${++count}.ts`), sample!);
      }
    }
    expect(count).toBeGreaterThan(4);
    await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
    const doors = {
      yamabiko: "index",
      "yamabiko/features": "features/index",
      "yamabiko/client": "client/index",
      "yamabiko/client/documents": "client/documents/index",
      "yamabiko/client/documents/codemirror": "client/documents/codemirror",
      "yamabiko/client/documents/textarea": "client/documents/textarea",
    };
    const paths = Object.fromEntries(Object.entries(doors).map(([door, module]) => [door, [`../../src/${module}.ts`]]));
    const config = { extends: "../../tsconfig.json", compilerOptions: { paths }, include: ["*.ts"] };
    await writeFile(join(directory, "tsconfig.json"), JSON.stringify(config));
    const complaints = await run(process.execPath, [
      inRepository("node_modules/typescript/bin/tsc"),
      "-p",
      directory,
    ]).then(
      () => "",
      (error: { stdout?: string }) => error.stdout || String(error),
    );
    expect(complaints).toBe("");
  } finally {
    await rm(directory, { recursive: true });
  }
});
