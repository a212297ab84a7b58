// Runs the steps of check.mjs and test.mjs: each with a heading and its time, and the way its failure looks.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A command installed by npm. */
export const bin = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));

const isTerminal = process.stdout.isTTY === true;
const bold = (text) => (isTerminal ? `\u001b[1m${text}\u001b[22m` : text);
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Thrown by a step that failed; it has told why already. */
export class StepFailed extends Error {}

/** Runs `step` under a heading. What it throws ends the run. */
export async function runStep(title, step) {
  console.log(`\n${bold(`── ${title}`)}`);
  const start = performance.now();
  try {
    await step();
  } catch (error) {
    if (!(error instanceof StepFailed)) console.error(error);
    console.error(bold(`✗ ${title} failed after ${seconds(start)}`));
    throw new StepFailed(title);
  }
  console.log(`✓ ${title} (${seconds(start)})`);
}

/** Runs a command in the root, its output ours. Rejects when it fails, unless `mayFail`; resolves to the exit code. */
export function run(command, args, { env = {}, mayFail = false, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", quiet ? "ignore" : "inherit", quiet ? "ignore" : "inherit"],
    });
    child.once("error", (error) => (mayFail ? resolve(127) : reject(error)));
    child.once("exit", (code, signal) => {
      if (code === 0 || mayFail) resolve(code ?? 1);
      else reject(new StepFailed(`${command} ended with ${code ?? signal}`));
    });
  });
}
