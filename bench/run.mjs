import { readOptions, USAGE } from "./lib/options.mjs";
import { runFanout, runSelfCheck } from "./scenarios/fanout.mjs";

/** What can be run: each returns whether all was well. */
const BENCHMARKS = { fanout: runFanout, "self-check": runSelfCheck };

const [name = "", ...rest] = process.argv.slice(2);
const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : null;
if (benchmark === null) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  try {
    process.exitCode = (await benchmark(readOptions(rest))) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error.stack}\n`);
    process.exitCode = 1;
  }
}
