// The scenarios of wasm-fixtures do what their READMEs say: v1 and v2 alone, v1 prepared by either engine, v1 with the patch
// between both applied and reverted, and all of it on one instance, step by step.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { instantiate } from '../src/host/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { Patcher } from '../src/runtime/index.ts';
import { sandbox } from './support/cli.ts';
import { compileCFile } from './support/compile-c.ts';
import { doCall, type Fixture, fixtures, readTable } from './support/fixtures.ts';

/** A compiler's hook, where a kernel is not prepared; the rest of the scenarios import nothing. */
const imports: WebAssembly.Imports = { env: { __cyg_profile_func_enter_bare: () => {} } };

const slots = 'all';

/** What each call of the README's table gives, in order. */
const answers = ({ expectations }: Fixture, { exports }: WebAssembly.Instance): unknown[] =>
  expectations.map(({ call }) => [call, doCall(exports, call)]);

const column = ({ expectations }: Fixture, version: 'v1' | 'v2'): unknown[] =>
  expectations.map((row) => [row.call, row[version]]);

async function plain(fixture: Fixture, version: 'v1' | 'v2'): Promise<WebAssembly.Instance> {
  const module = new WebAssembly.Module(new Uint8Array(await fixture.compile(version)));
  return WebAssembly.instantiate(module, imports);
}

describe.each(fixtures)('$name', (fixture) => {
  const engines = fixture.gc ? (['splice'] as const) : (['splice', 'binaryen'] as const);

  test('v1 and v2 are what the README says', async () => {
    for (const version of ['v1', 'v2'] as const)
      expect(answers(fixture, await plain(fixture, version))).toEqual(column(fixture, version));
  });

  test.each(engines)(
    'prepared by %s, v1 does the same, and with the patch it does what v2 does',
    async (engine) => {
      const { bytes } = await prepare(await fixture.compile('v1'), { engine, slots });
      const patcher = new Patcher();
      const start = async (): Promise<WebAssembly.Instance> =>
        (await instantiate(bytes, imports, { patcher })).instance;
      const first = await start();
      expect(answers(fixture, first)).toEqual(column(fixture, 'v1'));
      await patcher.apply(await fixture.patch(bytes));
      expect(answers(fixture, await start())).toEqual(column(fixture, 'v2'));
      await patcher.revert();
      expect(answers(fixture, await start())).toEqual(column(fixture, 'v1'));
    },
  );

  if (fixture.steps.length === 0) return;
  test('one instance keeps its state, step by step', async () => {
    const { bytes } = await prepare(await fixture.compile('v1'), { slots });
    const patcher = new Patcher();
    const { instance } = await instantiate(bytes, imports, { patcher });
    const done: unknown[] = [];
    for (const step of fixture.steps) {
      if (step === 'apply') await patcher.apply(await fixture.patch(bytes));
      if (step === 'revert') await patcher.revert();
      done.push(typeof step === 'string' ? step : { ...step, result: doCall(instance.exports, step.call) });
    }
    expect(done).toEqual(fixture.steps);
  });
});

// A program that never returns, so that it is asked over stdin.
describe('inventory', () => {
  const rows = readTable('inventory', ['request', 'v1']);
  const input = rows.map(([request]) => `${request}\n`).join('');
  const replies = (version: 1 | 2): string => rows.map((row) => `${row[version]}\n`).join('');

  test('v1 and v2 are what the README says, and the patch between them is one function', async () => {
    await using box = await sandbox();
    const flags = ['-Wl,--emit-relocs'];
    for (const [i, version] of ['v1', 'v2'].entries()) {
      const path = `wasm-fixtures/inventory/${version}.c`;
      await box.write(`${version}.wasm`, await compileCFile(path, { fileName: 'inventory.c', flags }));
      const { stdout } = await box.wgraftWith({ input }, 'run', `${version}.wasm`);
      expect(stdout).toBe(replies(i === 0 ? 1 : 2));
    }
    const built = await box.wgraft('build', 'v1.wasm', 'v2.wasm', '-o', 'v2.wgp', '--json');
    expect(JSON.parse(built.stdout)).toMatchObject({ functions: [{ name: 'check_quantity' }] });
  });
});

test('every scenario has its place in the list', () => {
  const listed = readFileSync(new URL('../wasm-fixtures/README.md', import.meta.url), 'utf8');
  expect(fixtures.length).toBeGreaterThan(0);
  for (const { name } of fixtures) expect(listed).toContain(`[${name}](${name})`);
});
