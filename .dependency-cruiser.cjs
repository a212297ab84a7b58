/**
 * The layer law of ARCHITECTURE.md: import only to the right.
 *
 *   server → transport → session → room → { log, bus, codec } → protocol        log, bus → link → protocol
 *   features → session/namespace.ts, protocol        client → codec, protocol
 *   auth, observe → protocol                         bin → server, client        testing → anything below server
 *
 * Tests may import anything, so files named *.test.ts and *.test-support.ts are not looked at.
 */
const TEST = "\\.(test|test-support)\\.ts$";

/** Files of `layer` may import from src only what `allowed` matches (and their own layer). */
function layer(name, allowed, extra = {}) {
  return {
    name: `layer-${name}`,
    severity: "error",
    comment: `${name} may import only: ${[name, ...allowed].join(", ")}`,
    from: { path: `^src/${name}/`, pathNot: TEST, ...extra },
    to: { path: "^src/", pathNot: [`^src/${name}/`, ...allowed.map((path) => `^src/${path}`)] },
  };
}

/** May be imported for their types alone, by layers that are otherwise above or beside them. */
const TYPES = [
  "observe/observer\\.ts$",
  "observe/tracing\\.ts$",
  "auth/identity\\.ts$",
  "auth/access\\.ts$",
  "auth/tickets\\.ts$",
  "auth/revocations\\.ts$",
];
const SHARED = ["observe/observer\\.ts$", "observe/tracing\\.ts$", "auth/identity\\.ts$"];

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment: "No import cycles; cycles of types count too.",
      from: {},
      to: { circular: true },
    },
    layer("protocol", []),
    layer("codec", ["protocol/"]),
    layer("link", ["protocol/"]),
    layer("log", ["link/", "protocol/"]),
    layer("bus", ["link/", "protocol/"]),
    layer("auth", ["protocol/"]),
    layer("observe", ["protocol/"]),
    layer("room", ["log/", "bus/", "codec/", "protocol/", ...SHARED]),
    layer("session", ["room/", "log/", "bus/", "codec/", "protocol/", ...TYPES]),
    layer("transport", ["session/", "room/", "log/", "bus/", "codec/", "protocol/", ...TYPES]),
    layer("features", ["session/namespace\\.ts$", "protocol/"]),
    layer("client", ["codec/", "protocol/"]),
    layer("react", ["client/", "protocol/"]),
    layer("bin", ["link/link\\.ts$", "server/", "client/", "protocol/", "auth/", "observe/"]),
    {
      name: "layer-testing",
      severity: "error",
      comment: "testing may import anything below server.",
      from: { path: "^src/testing/", pathNot: TEST },
      to: { path: "^src/(server|bin)/" },
    },
    {
      name: "only-bin-starts",
      severity: "error",
      comment: "Nothing imports the command line; only bin and the public door import the server.",
      from: { path: "^src/", pathNot: ["^src/(server|bin)/", "^src/index\\.ts$", TEST] },
      to: { path: "^src/(server|bin)/" },
    },
    {
      name: "types-only-of-the-observer-and-the-identity",
      severity: "error",
      comment: "Rooms, sessions and transports are handed an observer and identities; they know only their types.",
      from: { path: "^src/(room|session|transport)/", pathNot: TEST },
      to: { path: "^src/(observe|auth)/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "features-stand-alone",
      severity: "error",
      comment: "Features plug into the namespace seam, never into each other.",
      from: { path: "^src/features/([^/]+)/", pathNot: TEST },
      to: { path: "^src/features/([^/]+)/", pathNot: "^src/features/$1/" },
    },
    {
      name: "only-server-chooses",
      severity: "error",
      comment: "Only server/, bin/ and tests name an implementation; everybody else knows the seam.",
      from: {
        path: "^src/",
        pathNot: [
          "^src/(server|bin|testing)/",
          "^src/(redis|postgres)\\.ts$",
          "^src/log/(memory|sqlite|redis|postgres|remote)",
          "^src/bus/(memory|redis|postgres|remote)",
          TEST,
        ],
      },
      to: { path: ["^src/log/(memory|sqlite|redis|postgres|remote)", "^src/bus/(memory|redis|postgres|remote)"] },
    },
    {
      name: "runs-in-browsers",
      severity: "error",
      comment: "client, protocol and codec run in browsers: nothing of Node, and ws only in client/node.ts.",
      from: { path: "^src/(client|protocol|codec)/", pathNot: [TEST, "^src/client/node\\.ts$"] },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "ws-only-in-node",
      severity: "error",
      comment: "The browser's client uses the browser's WebSocket.",
      from: { path: "^src/(client|protocol|codec)/", pathNot: [TEST, "^src/client/node\\.ts$"] },
      to: { path: "node_modules/ws/" },
    },
    {
      name: "no-missing",
      severity: "error",
      comment: "Everything imported exists and is a dependency of package.json.",
      from: { path: "^src/", pathNot: TEST },
      to: { couldNotResolve: true },
    },
    {
      name: "no-development-dependencies",
      severity: "error",
      comment: "The package works without its development dependencies.",
      from: { path: "^src/", pathNot: [TEST, "^src/testing/"] },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only", "npm-peer"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
  },
};
