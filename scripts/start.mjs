// npm start: builds what is older than its source, then runs the server in development mode with the playground.
// Arguments are passed on: npm start -- --port 9000

import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { bin, ROOT, run, runStep } from "./steps.mjs";

/** The time of the newest file below `paths` (relative to the root), ms; 0 when there is none. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    const full = join(ROOT, path);
    if (!existsSync(full)) continue;
    const stats = statSync(full);
    if (!stats.isDirectory()) time = Math.max(time, stats.mtimeMs);
    else for (const name of readdirSync(full)) time = Math.max(time, newest([join(path, name)]));
  }
  return time;
}

/** The time of what a build left behind, ms; 0 when there is none. */
const builtAt = (path) => (existsSync(join(ROOT, path)) ? statSync(join(ROOT, path)).mtimeMs : 0);

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`Node ${process.versions.node} is too old.\nInstall Node 20.11 or later: https://nodejs.org`);
  process.exit(1);
}
if (!existsSync(bin("tsc"))) {
  console.error("The dependencies are not installed.\nRun: npm ci");
  process.exit(1);
}

try {
  // The compiler rewrites every file, so the entry's time is the time of the whole build.
  if (newest(["src", "package.json", "tsconfig.json", "tsconfig.build.json"]) > builtAt("dist/bin/yamabiko.js")) {
    await runStep("Building the server", () => run(bin("tsc"), ["-p", "tsconfig.build.json"]));
  }
  const page = ["playground/src", "playground/public", "playground/index.html", "playground/vite.config.ts"];
  const shared = ["src/client", "src/protocol", "src/codec"];
  if (newest([...page, ...shared, "playground/package.json"]) > builtAt("playground/dist/index.html")) {
    await runStep("Building the playground", () =>
      run(bin("vite"), ["build", "--logLevel", "warn", "--config", "playground/vite.config.ts", "playground"]),
    );
  }
  const consolePage = ["playground/console", "playground/src/shell", "playground/src/dashboard"];
  if (newest([...consolePage, ...shared]) > builtAt("dist/admin/index.html")) {
    await runStep("Building the admin console", () =>
      run(bin("vite"), ["build", "--logLevel", "warn", "--config", "playground/console/vite.config.ts"]),
    );
  }
} catch {
  process.exit(1);
}

const args = ["serve", "--dev"];
const given = process.argv.slice(2);
const isGiven = (flag) => given.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
if (!isGiven("--log") && !process.env.YAMABIKO_LOG) args.push("--log", "sqlite:./data/yamabiko.db");
if (!isGiven("--static") && !process.env.YAMABIKO_STATIC) args.push("--static", "playground/dist");

const server = spawn(process.execPath, ["dist/bin/yamabiko.js", ...args, ...given], { cwd: ROOT, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // Ctrl-C reaches the server by itself, for it belongs to the same terminal.
    if (signal !== "SIGINT" || !process.stdin.isTTY) server.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
  });
}
server.once("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 143);
});
