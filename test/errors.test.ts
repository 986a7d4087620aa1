// The table of errors: each code is produced by a test, and errors cross a socket unchanged.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorCodes, WgraftError } from '../src/errors.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Codes of open issues, whose tests are being written. */
const owed: ReadonlySet<string> = new Set(['WGRAFT_ERR_GROUP_FULL', 'WGRAFT_ERR_INSTANCE_ACTIVE']);

test('every code stands in a test or in what a test compares with', () => {
  const texts = readdirSync(here, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|txt)$/.test(file) && !file.startsWith('support/'))
    .map((file) => readFileSync(`${here}${file}`, 'utf8'))
    .join('\n');
  const found = new Set(texts.match(/WGRAFT_ERR_[A-Z_]+/g));
  expect(errorCodes.filter((code) => !found.has(code) && !owed.has(code))).toEqual([]);
});

test('an error crosses a socket and is the same; one that nobody knows is said so', () => {
  const error = new WgraftError('WGRAFT_ERR_PATCH_APPLIED', { patch: 'fix' });
  const again = WgraftError.from(JSON.parse(JSON.stringify(error)));
  expect(again).toMatchObject({ code: error.code, message: error.message, details: error.details });
  expect(WgraftError.is(again, 'WGRAFT_ERR_PATCH_APPLIED')).toBe(true);
  expect(again.exitCode).toBe(3);
  const unknown = WgraftError.from({ code: 'WGRAFT_ERR_OF_TOMORROW', message: 'tomorrow' });
  expect([unknown.code, unknown.message.includes('tomorrow')]).toEqual(['WGRAFT_ERR_INTERNAL', true]);
  expect(WgraftError.from('text').code).toBe('WGRAFT_ERR_INTERNAL');
});
