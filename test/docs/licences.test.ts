import { describe, expect, it } from "vitest";
import { licencesPage, shippedPackages } from "./licences.ts";
import { inRepository } from "./tables.ts";

/** Licences that ask for nothing but to be named, and one whose duties end with its own files (MPL-2.0). */
const GOOD = new Set([
  "MIT",
  "ISC",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "Unlicense",
  "PSF-2.0",
  "MPL-2.0",
]);

describe("docs/reference/licences.md", () => {
  it("says what the lock file says", async () => {
    await expect(licencesPage()).toMatchFileSnapshot(inRepository("docs/reference/licences.md"));
  });

  it("has no licence that asks for more than users would expect", () => {
    const { own, peers, pages } = shippedPackages();
    expect(own.length).toBeGreaterThan(10);
    const others = [...own, ...peers, ...pages].filter(({ licence }) =>
      licence.split(/ OR |[()]/).every((each) => !GOOD.has(each)),
    );
    expect(others).toEqual([]);
  });
});
