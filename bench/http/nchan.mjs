import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { start } from "../lib/machine.mjs";
import { nginxConfig } from "./peers.mjs";

const MODULE_PLACES = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/local/nginx/modules"];

/**
 * The nginx with Nchan of this machine, or null. `NGINX_PATH` names another binary, `NGINX_MODULES` the directory of its modules.
 *
 * @returns {{ binary: string, modules: string[] } | null}
 */
export function findNchan() {
  const binary = process.env.NGINX_PATH ?? "nginx";
  const { status, stderr } = spawnSync(binary, ["-V"], { encoding: "utf8" });
  if (status !== 0) return null;
  if (stderr.includes("nchan") && !stderr.includes("--add-dynamic-module")) return { binary, modules: [] };
  const places = process.env.NGINX_MODULES === undefined ? MODULE_PLACES : [process.env.NGINX_MODULES];
  const module = places.map((place) => join(place, "ngx_nchan_module.so")).find((path) => existsSync(path));
  return module === undefined ? null : { binary, modules: [module] };
}

/** Starts it on a free port. */
export async function startNchan({ binary, modules }, core, cache, isUrgent) {
  const directory = join(cache, `nchan-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const config = join(directory, "nginx.conf");
  writeFileSync(config, nginxConfig({ port, directory, modules }));
  const child = start(core, [binary, "-p", directory, "-c", config], isUrgent);
  const stop = async () => {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    rmSync(directory, { recursive: true, force: true });
  };
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  if (child.exitCode !== null) throw new Error("nginx ended");
  const memory = async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const rss = Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1]) * 1024;
    return { rss, used: null };
  };
  return { pid: child.pid, port, token: null, memory, stop };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
