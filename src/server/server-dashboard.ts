import type {
  DashboardReaderOptions,
  DashboardService,
  MetricsBackFill,
  MetricValues,
  PublishedMetrics,
} from "../features/index.ts";
import { YamabikoError } from "../protocol/index.ts";

/** A dashboard, as the server's own code uses it. Needs no rights. */
export class ServerDashboard {
  readonly name: string;
  readonly #service: DashboardService | null;

  constructor(name: string, service: DashboardService | null) {
    this.name = name;
    this.#service = service;
  }

  /**
   * Sets the newest value of each series, now; null is a gap. The dashboard is there from the first time on. Resolves to what was
   * taken when readers are being told.
   * Rejects with `invalid_message` for a name or a value that does not fit and for too many series, `rate_limited` when it is too
   * much, `access_denied` for `system`.
   */
  async set(values: MetricValues): Promise<PublishedMetrics> {
    return this.#existing.publish(this.name, values);
  }

  /** The newest slots. Default: the last 60 seconds. Rejects with `invalid_message` for options that do not fit. */
  async read(options?: Partial<DashboardReaderOptions>): Promise<MetricsBackFill> {
    return this.#existing.read(this.name, options);
  }

  get #existing(): DashboardService {
    if (this.#service === null) throw new YamabikoError("unknown_type", "This server has no dashboards.");
    return this.#service;
  }
}
