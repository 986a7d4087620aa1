// Diffs whose lines keep their numbers: what the directives say, and where they must not stand.

import { describe, expect, test } from 'vitest';
import { keepLineNumbers } from '../../../src/cli/line-numbers.ts';

const diffOf = (file: string, ...hunks: readonly string[]): string =>
  `--- a/${file}\n+++ b/${file}\n${hunks.join('\n')}\n`;

describe('a line that comes, or goes', () => {
  test('what is behind gets its number back, and later hunks move', () => {
    const diff = diffOf(
      'main.c',
      '@@ -1,3 +1,5 @@ int main',
      ' one',
      '+new',
      '+newer',
      ' two',
      ' three',
      '@@ -10,3 +12,2 @@',
      ' ten',
      '-eleven',
      ' twelve',
    );
    expect(keepLineNumbers(diff)).toBe(
      diffOf(
        'main.c',
        '@@ -1,3 +1,6 @@ int main',
        ' one',
        '+new',
        '+newer',
        '+#line 2',
        ' two',
        ' three',
        '@@ -10,3 +13,3 @@',
        ' ten',
        '-eleven',
        '+#line 12',
        ' twelve',
      ),
    );
  });

  test('a line for a line needs nothing', () => {
    const diff = diffOf('main.c', '@@ -1,3 +1,3 @@', ' one', '-two', '+2', ' three');
    expect(keepLineNumbers(diff)).toBe(diff);
  });

  test('not within a macro, nor among arguments: behind them', () => {
    const diff = diffOf(
      'main.h',
      '@@ -5,5 +5,6 @@',
      ' #define two(a) \\',
      '+  first(a); \\',
      '   second(a); \\',
      '   call(a,',
      '        b)',
      ' next',
    );
    expect(keepLineNumbers(diff).split('\n').slice(5)).toEqual([
      '   second(a); \\',
      '   call(a,',
      '        b)',
      '+#line 9',
      ' next',
      '',
    ]);
  });

  test('lines that end with a carriage return get one that does', () => {
    const diff = diffOf('main.c', '@@ -1,1 +1,2 @@\r', '+new\r', ' one\r');
    expect(keepLineNumbers(diff)).toContain('+#line 1\r\n one\r\n');
  });
});

describe('left as they are', () => {
  const hunk = ['@@ -1,2 +1,3 @@', '+new', ' one', ' two'];
  test.each([
    ['another language', diffOf('main.rs', ...hunk)],
    ['a build file', diffOf('Makefile', ...hunk)],
    ['a new file', diffOf('main.c', '@@ -0,0 +1,2 @@', '+one', '+two')],
    [
      'a change at the end',
      diffOf('main.c', '@@ -1,2 +1,3 @@', ' one', ' two', '+three', '\\ No newline at end of file'),
    ],
    [
      'a raw string, where it would be text',
      diffOf('main.cc', '@@ -1,2 +1,3 @@', '+auto s = R"(', ' one', ' two'),
    ],
    ['a hunk that is cut off', diffOf('main.c', '@@ -1,90 +1,90 @@', ' one')],
    ['no diff', 'hello\n@@ world\n'],
    ['nothing', ''],
  ])('%s', (_, diff) => {
    expect(keepLineNumbers(diff)).toBe(diff);
  });
});
