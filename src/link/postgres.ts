import type { Options, ParameterOrJSON, PostgresType, Sql } from "postgres";
import { YamabikoError } from "../protocol/index.ts";
import { type LinkEvents, reconnectDelayMs, withoutCredentials } from "./link.ts";

/** What a statement takes. */
export type PostgresValue = string | number | null;

/** Rows by the names of their columns. */
export type PostgresRow = Readonly<Record<string, string | number | boolean | null>>;

export interface PostgresLinkOptions {
  /** `postgres://[user:password@]host[:port]/database[?max=10]`; several hosts separated by commas. */
  readonly url: string;
  /** What the connections are called in `pg_stat_activity`. */
  readonly name: string;
  readonly events: LinkEvents;
  /** The most connections, unless the address says `max`. Default: 8. */
  readonly connections?: number | undefined;
  /** How long a statement may take before the connections are given up, ms. Default: 10,000. */
  readonly silenceMs?: number | undefined;
  /** How long the first connection may take, ms. Default: 10,000. */
  readonly connectMs?: number | undefined;
}

/** The most statements that wait for a connection; more are refused. */
const WAITING_STATEMENTS = 2_000;

/** Errors of the connection, not of the statement: PostgreSQL ends, starts, is full, or is a standby; or it cannot be reached. */
const CONNECTION_ERRORS =
  /^(CONNECTION_|CONNECT_TIMEOUT|E[A-Z]+$|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|57P0[123]|53300|25006|08)/;

/**
 * Connections to PostgreSQL that are made again when they are lost.
 *
 * Nothing waits for PostgreSQL while it is away: statements fail at once. Nothing is sent twice: a statement that had no
 * answer when its connection was lost has failed, though PostgreSQL may have done it.
 */
export class PostgresLink {
  readonly #options: PostgresLinkOptions;
  readonly #postgres: Postgres;
  #sql: PostgresSql;
  #isUp = false;
  #isClosed = false;
  #underWay = 0;
  #attempts = 0;
  #probe: NodeJS.Timeout | null = null;

  private constructor(postgres: Postgres, options: PostgresLinkOptions) {
    this.#postgres = postgres;
    this.#options = options;
    this.#sql = connectPostgres(postgres, options);
  }

  /**
   * Connects.
   * @throws {YamabikoError} `unavailable`, with a remedy, when the package postgres is not installed or nothing answers.
   */
  static async open(options: PostgresLinkOptions): Promise<PostgresLink> {
    const link = new PostgresLink(await loadPostgres(), options);
    const end = performance.now() + (options.connectMs ?? 10_000);
    for (;;) {
      try {
        await link.#attempt();
        return link;
      } catch (error) {
        if (isConnectionError(error) && performance.now() < end) {
          await new Promise((resolve) => setTimeout(resolve, 200));
          continue;
        }
        await link.close();
        throw unreachable(options.url, error);
      }
    }
  }

  /** Whether statements can be sent now. */
  get isUp(): boolean {
    return this.#isUp && !this.#isClosed;
  }

  /** The rows of a statement. Rejects with its error, or with that of the connection. */
  async query<T = PostgresRow>(statement: string, values: readonly PostgresValue[] = []): Promise<T[]> {
    if (!this.isUp) throw new Error("there is no connection to PostgreSQL");
    if (this.#underWay >= WAITING_STATEMENTS) throw new Error(`${this.#underWay} statements wait already`);
    const asked = performance.now();
    const sql = this.#sql;
    this.#underWay++;
    try {
      return await this.#run<T>(statement, values);
    } catch (error) {
      // Of connections that were given up already there is nothing more to learn.
      if (isConnectionError(error) && this.#sql === sql) this.#lost(error);
      throw error;
    } finally {
      this.#underWay--;
      this.#options.events.answered(performance.now() - asked);
    }
  }

  /** Does several statements as one, on one connection. */
  async transaction(
    run: (query: (statement: string) => Promise<readonly PostgresRow[]>) => Promise<void>,
  ): Promise<void> {
    await this.#sql.begin(async (sql) => {
      await run(async (statement) => await sql.unsafe(statement));
    });
  }

  /** Lets go of the connections. What has no answer yet fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#probe !== null) clearTimeout(this.#probe);
    await this.#sql.end({ timeout: 0 });
  }

  async #run<T>(statement: string, values: readonly PostgresValue[]): Promise<T[]> {
    const { silenceMs = 10_000 } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(silent(silenceMs)), silenceMs);
    });
    const answer = this.#sql.unsafe(statement, values as ParameterOrJSON<never>[], {
      prepare: this.#sql.options.prepare,
    });
    try {
      return (await Promise.race([answer, silence])) as unknown as T[];
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(): Promise<void> {
    await this.#run("SELECT 1", []);
    this.#isUp = true;
    this.#attempts = 0;
    this.#options.events.up();
  }

  #lost(error: unknown): void {
    if (!this.#isUp || this.#isClosed) return;
    this.#isUp = false;
    this.#options.events.down(error instanceof Error ? error.message : String(error));
    this.#renew();
  }

  /** Begins with new connections: the old ones may hang without anybody being told. */
  #renew(): void {
    void this.#sql.end({ timeout: 0 }).catch(() => {});
    this.#sql = connectPostgres(this.#postgres, this.#options);
    this.#probe = setTimeout(
      () => {
        this.#attempt().catch(() => {
          if (!this.#isClosed) this.#renew();
        });
      },
      reconnectDelayMs(++this.#attempts),
    );
    this.#probe.unref();
  }
}

/** The package. */
export type Postgres = typeof import("postgres");
type PostgresSql = Sql<{ bigint: number }>;

/** 8-byte integers as numbers: none here is beyond 2^53. */
const bigint: PostgresType<number> = { to: 20, from: [20], serialize: String, parse: Number };

/**
 * A client of so many connections; they are made when they are needed.
 * @param onNotify hears what comes for a LISTEN.
 * @param onClose told when a connection is gone.
 */
export function connectPostgres(
  postgres: Postgres,
  { url, name, connections = 8, connectMs = 10_000 }: Omit<PostgresLinkOptions, "events">,
  onNotify?: (channel: string, text: string) => void,
  onClose?: () => void,
): PostgresSql {
  const options: Options<{ bigint: PostgresType<number> }> & { onnotify?: typeof onNotify } = {
    ...(/[?&]max=/.test(url) && onNotify === undefined ? {} : { max: connections }),
    ...(onNotify === undefined ? {} : { onnotify: onNotify }),
    ...(onClose === undefined ? {} : { onclose: onClose }),
    max_lifetime: null,
    ...(url.includes(",") ? { target_session_attrs: "read-write" as const } : {}),
    connect_timeout: Math.ceil(connectMs / 1_000),
    connection: { application_name: name },
    types: { bigint },
    fetch_types: false,
    onnotice: () => {},
  };
  return postgres(url, options) as unknown as PostgresSql;
}

/** @throws {YamabikoError} `unavailable`, with the remedy, when the package is not installed. */
export async function loadPostgres(): Promise<Postgres> {
  try {
    return (await import("postgres")).default as unknown as Postgres;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw error;
    throw new YamabikoError("unavailable", "PostgreSQL needs a client. The package postgres is not installed.", {
      remedy: "Run `npm i postgres@3`.",
    });
  }
}

function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && CONNECTION_ERRORS.test(code);
}

function silent(afterMs: number): Error {
  return Object.assign(new Error(`PostgreSQL did not answer within ${afterMs} ms`), { code: "CONNECTION_SILENT" });
}

function unreachable(url: string, cause: unknown): YamabikoError {
  const reason = cause instanceof Error ? cause.message || (cause as { code?: string }).code : String(cause);
  const where = withoutCredentials(url);
  return new YamabikoError("unavailable", `The PostgreSQL at ${where} cannot be used: ${reason}.`, {
    remedy: isConnectionError(cause)
      ? "Start it, or correct its address: postgres://[user:password@]host[:port]/database"
      : "Check the user, the password and the database in its address.",
    cause,
  });
}
