/**
 * Ends this process when it is told to, and when the benchmark that started it is gone, whatever ended that.
 *
 * @param {() => Promise<void>} [tidy] what to do before
 */
export function endWithBenchmark(tidy = async () => {}) {
  const end = () => void tidy().finally(() => process.exit(0));
  process.once("SIGTERM", end);
  process.stdin.once("end", end).resume();
}
