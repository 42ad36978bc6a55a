/** What the tests of `neo log` share: logs that they write, and what is shown of them. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { neo_1_11 } from "../../gen/neo_1_11.ts";
import { neo_1_11_log } from "../../gen/neo_1_11_log.ts";
import type { Codecs } from "../../gen/packets.ts";
import type { PacketType } from "../../nodes/codec/packet.ts";
import { Writer } from "../../nodes/codec/writer.ts";
import { LogRecorder } from "../../nodes/host/log_recorder.ts";
import { codecOf } from "../../nodes/wire/coding.ts";
import { LogFile, type LogFileOptions } from "../../tools/log/log_file.ts";
import { LogPrinter, type PrintOptions } from "../../tools/log/print.ts";

export const START_S = 1_000_000_000;

/** A log that is written one second after the other. */
export class TestLog implements Disposable {
  readonly recorder: LogRecorder;
  nowS = START_S;

  constructor(path: string, protocol: Uint8Array = Buffer.from(neo_1_11_log.text, "base64")) {
    this.recorder = new LogRecorder({
      path,
      protocol,
      immediate: true,
      now: () => this.nowS++ * 1000,
      setTimer: () => assert.fail("the file could not be written"),
      complain: (reason) => assert.fail(reason),
    });
  }

  packet<T>(direction: "<" | ">", type: PacketType<T, Codecs>, packet: T): void {
    const writer = new Writer();
    const { code, encode } = codecOf(type, neo_1_11);
    encode(writer, packet);
    const bytes = writer.take();
    const frame = { id: 5, code, bytes, start: 0, end: bytes.length };
    this.recorder.packet(direction, "C1 (127.0.0.1:1)", frame);
  }

  [Symbol.dispose](): void {
    this.recorder.close();
  }
}

export const PLAIN: PrintOptions = { dateFormat: "%s", naming: "nid", nodeColumn: true, nodes: [] };

export const OPTIONS: LogFileOptions = { shown: "none", from: 0, maxPlainBytes: 1 << 30 };

/** What is printed of files. */
export async function shown(
  paths: readonly string[],
  options: Partial<PrintOptions & LogFileOptions> = {},
): Promise<string[]> {
  const lines: string[] = [];
  const opening = paths.map((path) => LogFile.open(path, { ...OPTIONS, ...options }));
  const files = await Promise.all(opening);
  new LogPrinter({ ...PLAIN, ...options }, (line) => lines.push(line)).printNew(files);
  for (const file of files) file.close();
  return lines;
}
