import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inRepository } from "./tables.ts";

/** The titles of tests: something counts as tested where the name of a test or of a group says it. */
export function titlesIn(text: string): string[] {
  // `)(` is what follows `it.each(…)`.
  return [...text.matchAll(/(?:\b(?:it|test|describe)(?:\.\w+)*|\))\(\s*(["'`])((?:(?!\1)[\s\S])*)\1/g)].map(
    ([, , title]) => title!,
  );
}

/** The texts of the test files below a directory of the repository. */
export function testFiles(directory: string): string[] {
  return readdirSync(inRepository(directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(inRepository(join(directory, name)), "utf8"));
}
