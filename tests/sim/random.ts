/** The one source of chance of a simulated world: the same seed gives the same numbers. */

/** Marsaglia's xorshift in 64 bits, as two halves of 32 (xorshift128). */
export class Random {
  #x: number;
  #y: number;
  #z = 521288629;
  #w = 88675123;

  constructor(seed: number) {
    this.#x = (seed ^ 0x5bd1e995) >>> 0;
    this.#y = (Math.imul(seed, 0x9e3779b1) ^ 362436069) >>> 0;
    // Seeds that are near each other are far apart after a few rounds.
    for (let round = 0; round < 20; round++) this.#next();
  }

  #next(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return this.#w;
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  /** True in one of `count` cases. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }
}
