/** Tables in text. */

/** The rows as lines, whose cells stand below each other; of the last column none is padded. */
export function alignColumns(rows: readonly (readonly string[])[], separator: string): string[] {
  const widths: number[] = [];
  // There may be more rows than a call may have arguments, as of `Math.max`.
  for (const cells of rows) {
    for (const [column, { length }] of cells.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? 0, length);
    }
  }
  return rows.map((cells) =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(separator)
  );
}
