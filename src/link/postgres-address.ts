import { YamabikoError } from "../protocol/index.ts";
import { withoutCredentials } from "./link.ts";

/** Where a PostgreSQL is, as its address says. */
export interface PostgresAddress {
  /** As the client takes it. */
  readonly url: string;
  /** The schema of the tables. Default: `yamabiko`. */
  readonly schema: string;
}

const ADDRESS = /^postgres(?:ql)?:\/\/(?:[^/?#\s]*@)?[^/?#@\s]*(?:\/[^/?#\s]*)?(?:\?([^#\s]*))?$/;
const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * Reads `postgres://[user:password@]host[:port]/database[?schema=NAME&…]`. What else follows the `?` is for the client.
 * @throws {YamabikoError} `invalid_message` with a remedy; it repeats no password.
 */
export function parsePostgresAddress(address: string): PostgresAddress {
  const match = ADDRESS.exec(address);
  if (match === null) throw bad(address);
  const parameters = new URLSearchParams(match[1] ?? "");
  const schema = parameters.get("schema") ?? "yamabiko";
  if (!SCHEMA.test(schema)) throw bad(address, " The schema must be of a-z, 0-9 and _, at most 63 characters.");
  parameters.delete("schema");
  const [base] = address.split("?");
  return { url: parameters.size === 0 ? base! : `${base}?${parameters}`, schema };
}

function bad(address: string, why = ""): YamabikoError {
  const message = `"${withoutCredentials(address)}" is not the address of a PostgreSQL.${why}`;
  return new YamabikoError("invalid_message", message, {
    remedy:
      "Write postgres://[user:password@]host[:port]/database[?schema=NAME], with what is special percent-encoded.",
  });
}
