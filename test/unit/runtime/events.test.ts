// What a host can observe: diagnostics_channel and the patcher's own subscribers hear the same, and the runtime itself logs
// nothing. In a process of its own, so that all that it prints and all that is thrown in it is seen.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const src = (room: string): string => JSON.stringify(new URL(`../../../src/${room}`, import.meta.url).href);

const program = `
import diagnostics from 'node:diagnostics_channel';
import { instantiate, Patcher } from ${src('index.ts')};
import { buildPatch } from ${src('build/index.ts')};
import { prepare } from ${src('prepare/index.ts')};

const kernel = Buffer.from('AGFzbQEAAAABBQFgAAF/AwIBAAcHAQNvbmUAAAoGAQQAQQEL', 'base64');
const { bytes: target } = await prepare(kernel, { slots: 'all' });
const source = { kind: 'wat', text: '(module (func (export "one") (result i32) (i32.const 2)))', file: 'two.wat' };
const { bytes: two } = await buildPatch({ target, replacements: [{ function: 'one', source }], name: 'two' });
const thrown = [];
process.on('uncaughtException', (error) => thrown.push(error.message));

const patcher = new Patcher();
const heard = { channels: [], subscriber: [] };
for (const type of ['instance', 'transition', 'migrated'])
  diagnostics.subscribe('wgraft:' + type, (event) => heard.channels.push(event));
diagnostics.subscribe('wgraft:migrated', () => { throw new Error('a mistake in a channel'); });
let mistakes = 1;
patcher.subscribe(() => { if (mistakes-- > 0) throw new Error('a mistake in a subscriber'); });
const unsubscribe = patcher.subscribe((event) => heard.subscriber.push(event));

const { instance } = await instantiate(target, {}, { name: 'app', patcher });
const answers = [instance.exports.one()];
await patcher.apply(two);
answers.push(instance.exports.one());
unsubscribe();
await patcher.revert();
answers.push(instance.exports.one());
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify({ answers, ...heard, thrown }));
`;

test('channels and subscribers hear every event; their mistakes are theirs alone; nothing is printed', async () => {
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
  const { stdout, stderr } = await run;
  expect(stderr).toBe('');
  const { answers, channels, subscriber, thrown } = JSON.parse(stdout);
  expect(answers).toEqual([1, 2, 1]);
  expect(channels.map(line)).toEqual([
    'instance born',
    ...['apply initializing', 'apply starting', 'migrated 1', 'apply completing', 'apply complete'],
    ...['revert initializing', 'revert starting', 'migrated 2', 'revert completing', 'revert complete'],
  ]);
  // It left before the revert.
  expect(subscriber).toEqual(channels.slice(0, 6));
  expect(thrown).toEqual(['a mistake in a subscriber', 'a mistake in a channel', 'a mistake in a channel']);
});

interface Event {
  readonly type: string;
  readonly change?: string;
  readonly direction?: string;
  readonly step?: string;
  readonly universe?: number;
}

const line = (e: Event): string =>
  e.type === 'transition'
    ? `${e.direction} ${e.step}`
    : e.type === 'migrated'
      ? `migrated ${e.universe}`
      : `${e.type} ${e.change}`;
