import type { Clock } from "./clock.ts";
import { YamabikoError } from "./errors.ts";

/**
 * What `work` resolves to. Where that takes longer than `waitMs`, it rejects with `unavailable`; what `work` becomes later nobody
 * hears of, also when it fails.
 * @param what says what took too long, for the operator and the client alike: "Checking the token took too long."
 */
export function deadline<T>(work: PromiseLike<T>, waitMs: number, clock: Clock, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => reject(new YamabikoError("unavailable", what, { retryAfterMs: 1_000 })), waitMs);
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
