/**
 * Compresses small data as zlib would, into one stream that any zlib inflates: for data of a few
 * hundred bytes, most of what zlib does is making its own state and codes. Here the state is made
 * once, and the codes are those that the format fixes. Up to some 250 bytes the result is no
 * longer than zlib's; above {@link MAX_SMALL_BYTES} codes made for the data would save too much.
 */

/** More is for zlib. */
export const MAX_SMALL_BYTES = 512;

/** The format's bounds of a match: what came before is repeated. */
const MATCH = { least: 3, most: 258 } as const;
/** Places where a match is looked for; the nearest one comes first. */
const MAX_TRIES = 8;
const HASH_BITS = 11;
/** Of Knuth: spreads three bytes over the table. */
const MULTIPLIER = 0x9e3779b1;
/** Where places are counted anew. */
const MAX_BASE = 2 ** 31 - 1 - MAX_SMALL_BYTES;

/** The header of a stream whose compressor was fast, and the checksum behind it. */
const HEADER = [0x78, 0x01] as const;
const TRAILER_BYTES = 4;
const ADLER_MODULUS = 65_521;
/** Three bits: the last block, with the fixed codes. */
const BLOCK_HEADER = { bits: 0b011, count: 3 } as const;

/** A code stands in the low half of a number, how many bits it has in the high half. */
const COUNT_SHIFT = 16;
const CODE_MASK = 0xffff;
const FIRST_LENGTH = 257;
const LENGTH_CODES = 28;

/** In a token, a match is its length above its distance; a literal byte has no length. */
const LENGTH_SHIFT = 16;
const DISTANCE_MASK = 0xffff;

export class SmallDeflater {
  readonly #codes = codesOfSymbols();
  readonly #lengths = codesOfLengths(this.#codes);
  readonly #distances = codesOfDistances();
  /** The last place of each hash, counted from the first data on, so that old ones are below 0. */
  readonly #heads = new Int32Array(1 << HASH_BITS);
  /** For each place, the one before it with the same hash. */
  readonly #before = new Int32Array(MAX_SMALL_BYTES);
  readonly #tokens = new Uint32Array(MAX_SMALL_BYTES);
  // A literal has 9 bits at most.
  readonly #output = new Uint8Array(MAX_SMALL_BYTES * 2);
  #base = 1;

  /**
   * Compresses at most {@link MAX_SMALL_BYTES}. Returns null where nothing is gained by it, else
   * bytes that are valid until the next call.
   */
  deflate(data: Uint8Array): Uint8Array | null {
    if (data.length > MAX_SMALL_BYTES) {
      throw new RangeError(`expected at most ${MAX_SMALL_BYTES} bytes, found ${data.length}`);
    }
    const end = this.#write(this.#tokenize(data));
    if (end + TRAILER_BYTES >= data.length) return null;
    writeAdler(data, this.#output, end);
    return this.#output.subarray(0, end + TRAILER_BYTES);
  }

  /** Finds what is repeated. Returns how many tokens there are. */
  #tokenize(data: Uint8Array): number {
    const tokens = this.#tokens;
    this.#base += MAX_SMALL_BYTES;
    if (this.#base > MAX_BASE) {
      this.#base = 1;
      this.#heads.fill(0);
    }
    let count = 0;
    // A match waits for the one that begins a byte later, which may be longer.
    let waiting = 0;
    for (let at = 0; at < data.length; at++) {
      const match = this.#match(data, at, waiting >>> LENGTH_SHIFT);
      if (match !== 0) {
        if (waiting !== 0) tokens[count++] = data[at - 1] ?? 0;
        waiting = match;
      } else if (waiting !== 0) {
        tokens[count++] = waiting;
        const end = at - 1 + (waiting >>> LENGTH_SHIFT);
        while (++at < end) this.#note(data, at);
        at--;
        waiting = 0;
      } else {
        tokens[count++] = data[at] ?? 0;
      }
    }
    return count;
  }

  /** Remembers a place. Returns the one before it with the same hash, below 0 for none. */
  #note(data: Uint8Array, at: number): number {
    if (at + MATCH.least > data.length) return -1;
    const three = (data[at] ?? 0) << 16 | (data[at + 1] ?? 0) << 8 | (data[at + 2] ?? 0);
    const hash = Math.imul(three, MULTIPLIER) >>> (32 - HASH_BITS);
    const before = (this.#heads[hash] ?? 0) - this.#base;
    this.#heads[hash] = this.#base + at;
    this.#before[at] = before;
    return before;
  }

  /** The longest match at a place, longer than `least`; 0 where there is none. */
  #match(data: Uint8Array, at: number, least: number): number {
    let from = this.#note(data, at);
    const most = Math.min(data.length - at, MATCH.most);
    let length = Math.max(least, MATCH.least - 1);
    let distance = 0;
    for (let tries = MAX_TRIES; from >= 0 && tries > 0 && length < most; tries--) {
      // What does not make it longer is mostly told by its last byte.
      if (data[from + length] === data[at + length]) {
        let equal = 0;
        while (equal < most && data[from + equal] === data[at + equal]) equal++;
        if (equal > length) {
          length = equal;
          distance = at - from;
        }
      }
      from = this.#before[from] ?? -1;
    }
    return distance === 0 ? 0 : length << LENGTH_SHIFT | distance;
  }

  /** Writes a stream but for its checksum. Returns where it ends. */
  #write(tokens: number): number {
    const output = this.#output;
    output.set(HEADER);
    let at = HEADER.length;
    let bits: number = BLOCK_HEADER.bits;
    let count: number = BLOCK_HEADER.count;
    // Fewer than 16 bits are left of each code, and no code has more than 16.
    const put = (code: number) => {
      bits |= (code & CODE_MASK) << count;
      count += code >>> COUNT_SHIFT;
      if (count < 16) return;
      output[at++] = bits;
      output[at++] = bits >>> 8;
      bits >>>= 16;
      count -= 16;
    };
    for (let i = 0; i < tokens; i++) {
      const token = this.#tokens[i] ?? 0;
      const length = token >>> LENGTH_SHIFT;
      if (length === 0) {
        put(this.#codes[token] ?? 0);
      } else {
        put(this.#lengths[length] ?? 0);
        put(this.#distances[token & DISTANCE_MASK] ?? 0);
      }
    }
    // The end of the block: seven bits, all 0.
    for (let left = count + 7; left > 0; left -= 8) {
      output[at++] = bits;
      bits >>>= 8;
    }
    return at;
  }
}

function codeOf(bits: number, count: number): number {
  return count << COUNT_SHIFT | bits;
}

/** Codes are written from their highest bit on, and everything else from its lowest bit on. */
function reversed(code: number, count: number): number {
  let bits = 0;
  for (let i = 0; i < count; i++) bits |= (code >>> i & 1) << (count - 1 - i);
  return bits;
}

/** The fixed codes: of bytes, of the end of a block, of lengths. */
function codesOfSymbols(): Uint32Array {
  return Uint32Array.from({ length: 288 }, (_, symbol) => {
    if (symbol < 144) return codeOf(reversed(0x30 + symbol, 8), 8);
    if (symbol < 256) return codeOf(reversed(0x190 + symbol - 144, 9), 9);
    if (symbol < 280) return codeOf(reversed(symbol - 256, 7), 7);
    return codeOf(reversed(0xc0 + symbol - 280, 8), 8);
  });
}

/** For each length of a match, its code and the extra bits behind it. */
function codesOfLengths(symbols: Uint32Array): Uint32Array {
  const codes = new Uint32Array(MATCH.most + 1);
  let length: number = MATCH.least;
  for (let code = 0; code < LENGTH_CODES; code++) {
    const symbol = symbols[FIRST_LENGTH + code] ?? 0;
    const count = symbol >>> COUNT_SHIFT;
    const extra = Math.max(0, (code >> 2) - 1);
    for (let bits = 0; bits < 1 << extra; bits++) {
      codes[length++] = codeOf(symbol & CODE_MASK | bits << count, count + extra);
    }
  }
  // The greatest one has a code of its own.
  codes[MATCH.most] = symbols[FIRST_LENGTH + LENGTH_CODES] ?? 0;
  return codes;
}

/** For each distance of a match, its code and the extra bits behind it. */
function codesOfDistances(): Uint32Array {
  const codes = new Uint32Array(MAX_SMALL_BYTES + 1);
  for (let code = 0, distance = 1; distance <= MAX_SMALL_BYTES; code++) {
    const extra = Math.max(0, (code >> 1) - 1);
    for (let bits = 0; bits < 1 << extra && distance <= MAX_SMALL_BYTES; bits++) {
      codes[distance++] = codeOf(reversed(code, 5) | bits << 5, 5 + extra);
    }
  }
  return codes;
}

/** Writes the checksum of data that are short enough for sums without overflow. */
function writeAdler(data: Uint8Array, output: Uint8Array, at: number): void {
  let sum = 1;
  let sums = 0;
  for (let i = 0; i < data.length; i++) {
    sum += data[i] ?? 0;
    sums += sum;
  }
  sum %= ADLER_MODULUS;
  sums %= ADLER_MODULUS;
  output.set([sums >>> 8, sums & 0xff, sum >>> 8, sum & 0xff], at);
}
