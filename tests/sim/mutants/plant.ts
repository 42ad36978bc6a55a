/**
 * Faults that are planted into the product while a test runs: methods of its classes are replaced
 * in memory, so that nothing of the product has to know of them.
 */

import type { GivenOptions } from "../runs/options.ts";

/** A fault that could have been made. */
export interface Mutant {
  /** What the product does wrong. */
  readonly name: string;
  /** Which runs it should be noticed in; the seed decides on the rest. */
  readonly options: GivenOptions;
  /** Plants it. Returns what takes it out again. */
  plant(): () => void;
}

type Method<T, N extends keyof T> = T[N] extends (...args: infer A) => infer R ? (...args: A) => R
  : never;

/** A call of a method that was replaced. */
export interface Call<T, N extends keyof T> {
  readonly self: T;
  readonly args: Parameters<Method<T, N>>;
  /** Calls the method as it was, with these arguments. */
  proceed(...args: Parameters<Method<T, N>>): ReturnType<Method<T, N>>;
}

/** Replaces a method of a class. Returns what puts it back. */
export function replace<T extends object, N extends string & keyof T>(
  type: { readonly prototype: T },
  name: N,
  replacement: (call: Call<T, N>) => ReturnType<Method<T, N>>,
): () => void {
  const { prototype } = type;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  if (typeof descriptor?.value !== "function") throw new Error(`there is no method ${name}`);
  const original = descriptor.value;
  Object.defineProperty(prototype, name, {
    ...descriptor,
    value: function (this: T, ...args: Parameters<Method<T, N>>) {
      return replacement({
        self: this,
        args,
        proceed: (...args) => Reflect.apply(original, this, args),
      });
    },
  });
  return () => Object.defineProperty(prototype, name, descriptor);
}

/** Says yes to one of `count` calls. */
export function oneIn(count: number): () => boolean {
  let calls = 0;
  return () => ++calls % count === 0;
}
