/**
 * Values that are there now or later. An embedded database answers at once, a database server
 * later: callers write for both, and pay for waiting only where there is something to wait for.
 */

/** A value, or a promise of it. */
export type Eventual<T> = T | Promise<T>;

/** Goes on with a value: at once when it is there. */
export function then<T, U>(value: Eventual<T>, next: (value: T) => Eventual<U>): Eventual<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Does one thing after the other: `step` for each item, without waiting where it need not. */
export function inTurn<T>(
  items: readonly T[],
  step: (item: T) => Eventual<void>,
  from = 0,
): Eventual<void> {
  for (let at = from; at < items.length; at++) {
    const item = items[at];
    if (item === undefined) continue;
    const done = step(item);
    if (done instanceof Promise) return done.then(() => inTurn(items, step, at + 1));
  }
}

/** Lets something happen that nobody waits for; the backend itself tells of its failures. */
export function unawaited(value: Eventual<unknown>): void {
  if (value instanceof Promise) value.catch(() => {});
}
