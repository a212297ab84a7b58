/** The most items in a batch, and the most they may measure together; one that measures more comes alone. */
export interface BatchLimits<T> {
  readonly items: number;
  readonly size: number;
  measure(item: T): number;
}

/**
 * What comes from `source`, in order, in batches: what is there together comes together, and what comes while a batch is
 * worked on is the next one. Reads no further ahead than one batch. Ends with the source, or when `stopped` is aborted; what
 * was read until then comes first, and then the source's failure, if that ended it.
 */
export async function* inBatches<T>(
  source: AsyncIterable<T>,
  limits: BatchLimits<T>,
  stopped: AbortSignal,
): AsyncGenerator<T[], void, void> {
  let gathered: T[] = [];
  let size = 0;
  let isOver = false;
  let failure: { readonly error: unknown } | null = null;
  let wakeReader = (): void => {};
  let wakeTaker = (): void => {};
  const isFull = (): boolean => gathered.length >= limits.items || size >= limits.size;

  const read = async (): Promise<void> => {
    for await (const item of source) {
      const measured = limits.measure(item);
      if (gathered.length > 0 && size + measured > limits.size) await roomLeft();
      gathered.push(item);
      size += measured;
      wakeTaker();
      if (isFull()) await roomLeft();
    }
  };
  const roomLeft = (): Promise<void> =>
    new Promise((resolve) => {
      wakeReader = resolve;
    });
  const end = (): void => {
    isOver = true;
    wakeTaker();
  };
  stopped.addEventListener("abort", end, { once: true });
  if (stopped.aborted) end();
  read().then(end, (error: unknown) => {
    failure = { error };
    end();
  });

  try {
    while (true) {
      if (gathered.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wakeTaker = resolve;
        });
        // What came in one piece is taken in one piece.
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (gathered.length === 0) break;
      const batch = gathered;
      gathered = [];
      size = 0;
      wakeReader();
      yield batch;
    }
    if (failure !== null) throw (failure as { error: unknown }).error;
  } finally {
    stopped.removeEventListener("abort", end);
  }
}
