// Keeps line numbers where they were, as klp-build does: a fix that adds a line moves all lines behind it, and with them every
// __LINE__, so that functions would look changed which are not. A diff of C sources gets `#line` directives, which
// give each line behind a change the number that it had.

/** C and C++, and headers; other languages have no such directive. */
const numbered = /\.(c|h|cc|cpp|cxx|hh|hpp|inc)$/i;
/** In a raw string, which may span lines, a directive would be text. */
const rawString = /\bR"/;
/** A directive in the middle of a macro, or of the arguments of one, would be in the way. */
const goesOn = /[\\,(]\s*$/;

const hunkStart = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)$/s;

/** The same unified diff with the directives, and with its hunks counted anew. What is no hunk stays as it is. */
export function keepLineNumbers(diff: string): string {
  const lines = diff.split('\n');
  const out: string[] = [];
  let isNumbered = false;
  let added = 0;
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    const hunk = hunkStart.exec(line);
    if (hunk === null) {
      if (line.startsWith('+++ ')) {
        isNumbered = numbered.test(fileOf(line));
        added = 0;
      }
      out.push(line);
      at += 1;
      continue;
    }
    const [, start = '', oldLines = '1', newStart = '', newLines = '1', rest = ''] = hunk;
    const end = endOfHunk(lines, at + 1, Number(oldLines), Number(newLines));
    const body = lines.slice(at + 1, end);
    const isSafe = isNumbered && Number(oldLines) > 0 && !body.some((l) => rawString.test(l));
    const written = isSafe ? withDirectives(body, Number(start)) : body;
    const more = written.length - body.length;
    out.push(
      `@@ -${start},${oldLines} +${Number(newStart) + added},${Number(newLines) + more} @@${rest}`,
      ...written,
    );
    added += more;
    at = end;
  }
  return out.join('\n');
}

/** `+++ b/src/main.c`, with a time behind a tab or without. */
function fileOf(line: string): string {
  return line.slice('+++ '.length).split('\t')[0]?.trimEnd() ?? '';
}

function endOfHunk(lines: readonly string[], from: number, oldLines: number, newLines: number): number {
  let [at, old, now] = [from, oldLines, newLines];
  for (; (old > 0 || now > 0) && at < lines.length; at += 1) {
    const kind = lines[at]?.[0];
    if (kind !== '+' && kind !== '\\') old -= 1;
    if (kind !== '-' && kind !== '\\') now -= 1;
  }
  while (lines[at]?.startsWith('\\')) at += 1;
  return at;
}

/** @param start the old file's number of the first line that is not an added one */
function withDirectives(body: readonly string[], start: number): string[] {
  const out: string[] = [];
  let number = start;
  /** By how many lines what comes is behind. */
  let drift = 0;
  let before = '';
  for (const line of body) {
    const kind = line[0];
    const isContext = kind !== '+' && kind !== '-' && kind !== '\\';
    if (isContext && drift !== 0 && !goesOn.test(before)) {
      out.push(`+#line ${number}${line.endsWith('\r') ? '\r' : ''}`);
      drift = 0;
    }
    out.push(line);
    if (kind === '+') drift += 1;
    if (kind === '-') drift -= 1;
    if (kind !== '+' && kind !== '\\') number += 1;
    if (kind !== '-') before = line;
  }
  return out;
}
