import type { Metric, MetricValueWithName, Registry } from "prom-client";

/**
 * A histogram of durations, without labels. prom-client's own looks up labels for each value, which costs more than all
 * else that is counted for a message; this one adds to an array, and makes the rest when somebody reads.
 */
export class Durations {
  readonly #name: string;
  readonly #help: string;
  /** The upper bounds of the buckets, s, rising. */
  readonly #bounds: readonly number[];
  /** How many were in each bucket and in none below it; the last one has what is above all. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds the upper bounds of the buckets, s, rising. */
  constructor(name: string, help: string, bounds: readonly number[], registry: Registry) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
    // The registry asks a metric for its name and, when somebody reads, for what it holds.
    const metric = { name, get: async () => this.#read() };
    registry.registerMetric(metric as unknown as Metric);
  }

  observe(durationMs: number): void {
    const seconds = durationMs / 1000;
    let bucket = 0;
    while (bucket < this.#bounds.length && seconds > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += seconds;
  }

  #read() {
    const values: MetricValueWithName<"le">[] = [];
    let count = 0;
    for (const [bucket, bound] of [...this.#bounds, "+Inf"].entries()) {
      count += this.#counts[bucket]!;
      values.push({ labels: { le: bound }, value: count, metricName: `${this.#name}_bucket` });
    }
    values.push({ labels: {}, value: this.#sum, metricName: `${this.#name}_sum` });
    values.push({ labels: {}, value: count, metricName: `${this.#name}_count` });
    return { name: this.#name, help: this.#help, type: "histogram", aggregator: "sum", values };
  }
}
