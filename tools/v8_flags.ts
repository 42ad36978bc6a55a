/**
 * V8's flags for nodes. A node's garbage is short-lived and small; left alone, V8 answers busy
 * times with a young generation of 48 MiB that it never gives back, for no gain in speed. The tasks
 * in deno.json say the same.
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";
