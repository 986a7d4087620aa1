// Structs of one name in several source files: which old layout has become which new one.

import { describe, expect, test } from 'vitest';
import { compareLayouts, type StructLayout } from '../../../src/build/dwarf/index.ts';

/** `unit:size`, or `unit:size:header`; the struct has one member as large as itself. */
function layouts(...units: readonly string[]): StructLayout[] {
  return units.map((text) => {
    const [unit = '', size = '0', file = 'item.h'] = text.split(':');
    const bytes = Number(size);
    const member = {
      name: 'a',
      offset: 0,
      bits: undefined,
      size: bytes,
      type: 'char[]',
      representation: 'integer[]',
    };
    return { kind: 'struct', name: 'item', unit, file, size: bytes, members: [member] };
  });
}

/** Sizes of the member before and after, where the layout counts as changed. */
function changed(old: readonly StructLayout[], next: readonly StructLayout[]): string | undefined {
  const [change] = compareLayouts(old, next).changes;
  return change?.fields[0];
}

const from4 = (to: number): string => `"a" had 4 bytes, has ${to} bytes`;

describe('of', () => {
  test.each([
    ['one header, everywhere the same', layouts('a.c:4', 'b.c:4'), layouts('a.c:8', 'b.c:8'), from4(8)],
    [
      'one header, one file not compiled again',
      layouts('a.c:4', 'b.c:4'),
      layouts('a.c:4', 'b.c:8'),
      from4(8),
    ],
    ['private ones, none changed', layouts('a.c:4', 'b.c:6'), layouts('b.c:6', 'a.c:4'), undefined],
    ['private ones, one changed', layouts('a.c:4', 'b.c:6'), layouts('b.c:6', 'a.c:8'), from4(8)],
    ['private ones, one gone', layouts('a.c:4', 'b.c:6'), layouts('b.c:6'), undefined],
    ['private ones, one new', layouts('a.c:4'), layouts('a.c:4', 'b.c:8'), undefined],
    ['files of one name, one changed', layouts('a.c:4', 'a.c:6'), layouts('a.c:6', 'a.c:8'), from4(8)],
    ['files of one name, one gone', layouts('a.c:4', 'a.c:6'), layouts('a.c:6'), undefined],
    ['a file with another name', layouts('a.c:4'), layouts('b.c:8'), from4(8)],
    [
      'a file with another name, and several headers',
      layouts('a.c:4:x.h'),
      layouts('b.c:6:y.h', 'c.c:8:x.h'),
      from4(8),
    ],
    [
      'files and headers with other names',
      layouts('a.c:4:x.h'),
      layouts('b.c:6:y.h', 'c.c:8:z.h'),
      undefined,
    ],
  ])('%s', (_, old, next, expected) => {
    expect(changed(old, next)).toBe(expected);
  });
});
