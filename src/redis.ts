/** The door `yamabiko/redis`: a log and a bus on Redis, a Redis Cluster or Valkey. Needs the package ioredis. */
export { createRedisBus, type RedisBusOptions } from "./bus/redis.ts";
export type { LinkEvents } from "./link/link.ts";
export { createRedisLog, type RedisLogOptions } from "./log/redis.ts";
