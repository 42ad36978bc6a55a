/** Doing the same for many, side by side but not all at once. */

import { MAX_PARALLEL_READS } from "./limits.ts";

/** The results of `work` for all items, in their order. Rejects as the first that fails. */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += MAX_PARALLEL_READS) {
    results.push(...await Promise.all(items.slice(start, start + MAX_PARALLEL_READS).map(work)));
  }
  return results;
}
