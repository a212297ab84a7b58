import type { LinkEvents } from "../../link/link.ts";
import type { RedisLink } from "../../link/redis.ts";

/** Warns when this Redis is set up so that it may lose what it acknowledged. */
export async function warnOfLoss(link: RedisLink, events: LinkEvents): Promise<void> {
  const settings = await readSettings(link);
  if (settings.get("aof_enabled") === "0") {
    events.warning(
      "This Redis writes no append-only file: when it dies or restarts, acknowledged events are lost.",
      "Set `appendonly yes` (and `appendfsync always` where a power cut must lose nothing), or use it for tests only.",
    );
  }
  const policy = settings.get("maxmemory_policy") ?? "noeviction";
  if (policy !== "noeviction") {
    events.warning(
      `This Redis throws away keys when its memory is full (maxmemory-policy ${policy}): rooms would lose their events.`,
      "Set `maxmemory-policy noeviction`; then appends fail instead, and clients keep what they have to send.",
    );
  }
}

/** What `INFO` says of persistence and memory. Empty where that may not be asked. */
async function readSettings(link: RedisLink): Promise<Map<string, string>> {
  const settings = new Map<string, string>();
  for (const section of ["persistence", "memory"]) {
    const text = await link.command("info", section).catch(() => "");
    for (const [, name, value] of String(text).matchAll(/^(\w+):(.*?)\r?$/gm)) settings.set(name!, value!);
  }
  return settings;
}
