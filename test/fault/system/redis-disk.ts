import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const SIZE = "8g";

/**
 * The directory of a Redis. Where the process may mount, it is a disk of its own (in memory) that can be made full; what is
 * tested is the death of processes, not of the machine, so memory is as good as a disk.
 */
export class RedisDisk {
  readonly directory: string;
  readonly canBeFull: boolean;

  private constructor(directory: string, canBeFull: boolean) {
    this.directory = directory;
    this.canBeFull = canBeFull;
  }

  /** @param wanted whether a disk that can be made full is wanted at all. */
  static async make(wanted: boolean): Promise<RedisDisk> {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-redis-"));
    if (!wanted || process.getuid?.() !== 0) return new RedisDisk(directory, false);
    const mounted = await run("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "yamabiko-faults", directory]).then(
      () => true,
      () => false,
    );
    return new RedisDisk(directory, mounted);
  }

  /** From now on there is hardly any room left. */
  async fill(): Promise<void> {
    const used = await usedBytes(this.directory);
    // A tmpfs is counted in pages; one of each file is not full.
    await run("mount", ["-o", `remount,size=${used + 256 * 1024}`, this.directory]);
  }

  /** There is room again. */
  async empty(): Promise<void> {
    await run("mount", ["-o", `remount,size=${SIZE}`, this.directory]);
  }

  async remove(): Promise<void> {
    if (this.canBeFull) await run("umount", [this.directory]).catch(() => {});
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function usedBytes(directory: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).blocks * 512;
  }
  return sum;
}
