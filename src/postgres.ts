/** The door `yamabiko/postgres`: a log and a bus on PostgreSQL. Needs the package postgres. */
export { createPostgresBus, type PostgresBusOptions } from "./bus/postgres.ts";
export type { LinkEvents } from "./link/link.ts";
export { createPostgresLog, migratePostgres, type PostgresLogOptions } from "./log/postgres.ts";
