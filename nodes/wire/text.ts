/** Texts that travel as bytes (names and messages, in UTF-8), and addresses as people read them. */

export { addressText } from "../host/address_text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A text as bytes. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Bytes as a text; what is not UTF-8 is replaced, since it is only shown. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
