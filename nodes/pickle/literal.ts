/** String literals of Python, as pickles of protocol 0 have them. */

import { PickleError } from "./errors.ts";

/** The bytes that a string literal of Python stands for. */
export function unquoted(literal: string): Uint8Array {
  const found = /^(["'])(.*)\1$/s.exec(literal.trim());
  if (found?.[2] === undefined) throw new PickleError(`${literal.slice(0, 40)} is no string`);
  const plain = found[2].replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/gs,
    (_, hex, octal, other) =>
      hex !== undefined
        ? String.fromCharCode(parseInt(hex, 16))
        : octal !== undefined
        ? String.fromCharCode(parseInt(octal, 8) & 0xff)
        : ESCAPES[other] ?? other,
  );
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
};
