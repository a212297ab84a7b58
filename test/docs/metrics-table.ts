import { CLOSE_CLASSES } from "../../src/observe/closing.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { createMetricsObserver, createRegistry } from "../../src/observe/metrics.ts";
import { markdownTable } from "./tables.ts";

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** The metrics there are, from the code; with those of the process when asked to. */
export async function metricsOf(withProcess = false): Promise<Described[]> {
  const registry = createRegistry({ process: withProcess });
  createMetricsObserver(registry, createLogger({ level: "silent" }));
  return Promise.all(
    registry.getMetricsAsArray().map(async (metric) => {
      const { name, help, type } = await (metric as unknown as { get(): Promise<Described> }).get();
      const { labelNames = [] } = metric as { labelNames?: readonly string[] };
      return { name, help, type: String(type), labels: labelNames };
    }),
  );
}

/** What docs/reference/metrics.md must say. */
export async function metricsPage(): Promise<string> {
  const metrics = (await metricsOf()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const rows = metrics.map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    help,
  ]);
  const classes = Object.entries(CLOSE_CLASSES).map(([name, { abnormal, what }]) => [
    `\`${name}\``,
    abnormal ? "yes" : "no",
    what,
  ]);
  return `# Metrics

<!-- Made from src/observe/ by \`npx vitest run test/docs -u\`. -->

In Prometheus' text format at \`/metrics\` of the admin listener (with \`--dev\` also of the server itself), and as \`server.metrics()\`. The processes of \`serve --workers\` are shown as one.
No metric has a label for a room, a user or anything else that a client can choose, so the number of series is fixed. Besides these there are those of the process, of
[prom-client](https://github.com/siimon/prom-client) with the prefix \`yamabiko_\`: \`yamabiko_process_cpu_seconds_total\`, \`yamabiko_process_resident_memory_bytes\`, \`yamabiko_nodejs_eventloop_lag_p99_seconds\` and so on.

${markdownTable(["metric", "type", "labels", "what"], rows)}

## How connections end

The label \`class\` of \`yamabiko_disconnects_total\` and \`yamabiko_disconnect_alerts_total\`. The rates of those that are watched are compared with their own past: see
[operations](../guides/operations.md#connections-that-end-badly). The label \`reason\` is a name of the [close codes](../../PROTOCOL.md#9-close-codes), or \`aborted\`.

${markdownTable(["class", "watched", "what"], classes)}
`;
}
