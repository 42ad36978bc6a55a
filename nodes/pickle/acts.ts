/** What each opcode of a pickle does to the stack. */

import { OP } from "./opcodes.ts";

/** What opcodes do. Those that are not named push a value that does not matter. */
export const ACT = {
  push: 0,
  take: 1,
  drop: 2,
  takeToMark: 3,
  dropToMark: 4,
  tuple: 5,
  tupleToMark: 6,
  nothing: 7,
  other: 8,
} as const;
export const COUNT_SHIFT = 4;
export const ACT_MASK = 0x0f;

/** For each opcode what it does, and with how many values. */
export const ACTS = actTable();

function actTable(): Uint8Array {
  const table = new Uint8Array(256).fill(ACT.push);
  const put = (act: number, count: number, ops: readonly number[]) => {
    for (const op of ops) table[op] = act | (count << COUNT_SHIFT);
  };
  put(ACT.take, 1, [OP.READONLY_BUFFER]);
  put(ACT.take, 2, [OP.NEWOBJ, OP.STACK_GLOBAL]);
  put(ACT.take, 3, [OP.NEWOBJ_EX]);
  put(ACT.drop, 1, [OP.BUILD]);
  put(ACT.drop, 2, [OP.SETITEM]);
  put(ACT.takeToMark, 0, [OP.DICT, OP.FROZENSET, OP.INST, OP.OBJ]);
  put(ACT.dropToMark, 0, [OP.SETITEMS, OP.ADDITEMS, OP.POP_MARK]);
  put(ACT.tuple, 0, [OP.EMPTY_TUPLE]);
  put(ACT.tuple, 1, [OP.TUPLE1]);
  put(ACT.tuple, 2, [OP.TUPLE2]);
  put(ACT.tuple, 3, [OP.TUPLE3]);
  put(ACT.tupleToMark, 0, [OP.TUPLE]);
  put(ACT.nothing, 0, [OP.PROTO, OP.STOP]);
  put(ACT.other, 0, [OP.MARK, OP.FRAME, OP.POP, OP.DUP, OP.REDUCE, OP.PERSID, OP.BINPERSID]);
  put(ACT.other, 0, [OP.LIST, OP.EMPTY_LIST, OP.APPEND, OP.APPENDS, OP.MEMOIZE]);
  put(ACT.other, 0, [OP.PUT, OP.BINPUT, OP.LONG_BINPUT, OP.GET, OP.BINGET, OP.LONG_BINGET]);
  return table;
}
