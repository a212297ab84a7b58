import { markdownTable, textOf } from "./tables.ts";

/** A package of the lock file. */
interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A package that comes along. */
export interface Licensed {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
}

/** Where things are in package-lock.json. */
const MODULES = "node_modules/";

/** Everything that comes with packages of these names, themselves included, as package-lock.json has it. */
function reachable(packages: Readonly<Record<string, Locked>>, names: readonly string[], from: string): Licensed[] {
  const found = new Map<string, Licensed>();
  const visit = (name: string, at: string): void => {
    const place = placeOf(packages, name, at);
    // What is optional need not be there.
    if (place === null || found.has(place)) return;
    const { version = "", license = "", dependencies = {}, optionalDependencies = {} } = packages[place]!;
    found.set(place, { name, version, licence: license });
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) visit(each, place);
  };
  for (const name of names) visit(name, from);
  return Array.from(found.values());
}

/** Where Node finds a package from a place: in the nearest `node_modules` above. */
function placeOf(packages: Readonly<Record<string, Locked>>, name: string, at: string): string | null {
  for (let above = at; ; ) {
    const place = `${above === "" ? "" : `${above}/`}${MODULES}${name}`;
    if (packages[place] !== undefined) return place;
    if (above === "") return null;
    const inner = above.lastIndexOf(`/${MODULES}`);
    above = inner === -1 ? "" : above.slice(0, inner);
  }
}

/** The packages users get: with `yamabiko` itself, where they install it themselves, and in the pages of the playground. */
export function shippedPackages(): { own: Licensed[]; peers: Licensed[]; pages: Licensed[] } {
  const { packages } = JSON.parse(textOf("package-lock.json")) as { packages: Readonly<Record<string, Locked>> };
  const { dependencies = {}, peerDependencies = {} } = packages[""]!;
  const own = reachable(packages, Object.keys(dependencies), "");
  const known = new Set(own.map(({ name, version }) => `${name} ${version}`));
  const more = (found: readonly Licensed[]) => found.filter(({ name, version }) => !known.has(`${name} ${version}`));
  const { dependencies: ofPages = {} } = packages.playground!;
  const names = Object.keys(ofPages).filter((name) => name !== "yamabiko");
  return {
    own,
    peers: more(reachable(packages, Object.keys(peerDependencies), "")),
    pages: more(reachable(packages, names, "playground")),
  };
}

/** The page docs/reference/licences.md. */
export function licencesPage(): string {
  const { own, peers, pages } = shippedPackages();
  const table = (packages: readonly Licensed[]) =>
    markdownTable(
      ["package", "version", "licence"],
      packages
        .map(({ name, version, licence }) => [name, version, licence])
        .sort((one, other) => (one.join() < other.join() ? -1 : 1)),
    );
  return `# Licences

<!-- Made from package-lock.json by \`npx vitest run test/docs -u\`; \`npm run check\` fails when it is out of date. -->

Yamabiko is under the [MIT licence](../../LICENSE). This is what comes with it.

## With the package

${table(own)}

## Where you install it: Redis, PostgreSQL, better-sqlite3, CodeMirror

${table(peers)}

## In the pages of the playground

${table(pages)}
`;
}
