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

/** Work in steps, some of which may have to be waited for. */
export type Steps<T> = Generator<Promise<void>, T, void>;

/** One step of such work: `yield* got(value)` is the value, when it is there. */
export function* got<T>(value: Eventual<T>): Steps<T> {
  if (!(value instanceof Promise)) return value;
  const box: { found: { readonly value: T } | null } = { found: null };
  yield value.then((value) => {
    box.found = { value };
  });
  if (box.found === null) throw new RangeError("a step went on before its value was there");
  return box.found.value;
}

/** Does work in steps: at once, as far as nothing has to be waited for. */
export function eventually<T>(steps: Steps<T>): Eventual<T> {
  return goOn(steps, steps.next());
}

function goOn<T>(steps: Steps<T>, step: IteratorResult<Promise<void>, T>): Eventual<T> {
  if (step.done) return step.value;
  return step.value.then(
    () => goOn(steps, steps.next()),
    (error) => goOn(steps, steps.throw(error)),
  );
}
