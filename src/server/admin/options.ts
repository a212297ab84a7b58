/** The admin listener: metrics, health and the admin console, on an address of their own. All of it has a default. */
export interface AdminOptions {
  /** Default: 0, any free port. */
  readonly port?: number | undefined;
  /** Default: 127.0.0.1. Elsewhere a secret is needed. */
  readonly host?: string | undefined;
  /**
   * What an operator shows: 16 or more visible ASCII characters, the same on all nodes. Without it only health and metrics are
   * served. Default: none.
   */
  readonly secret?: string | undefined;
  /** What reads `/metrics` and nothing else, for a collector that comes from another machine. Default: only `secret` does. */
  readonly metricsSecret?: string | undefined;
}
