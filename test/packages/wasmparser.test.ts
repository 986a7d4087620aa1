// Two decoders over every module that our packages bring: ours, and the npm package wasmparser. They have to agree on each
// body's range, on how many operators it has and on every call. Where wasmparser is known to fail, nothing is compared.

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import wasmparser from 'wasmparser';
import { bodyReader, op, readModule, walk } from '../../src/wasm/index.ts';
import { yoga } from '../support/workloads/yoga.ts';

const packages = fileURLToPath(new URL('../../node_modules/', import.meta.url));

/** The compiler alone is 75 MB, as much as all others together. */
const tooLarge = '@yowasp/clang/gen/llvm.core.wasm';

const files = readdirSync(packages, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.wasm') && !file.startsWith('.') && file !== tooLarge)
  .sort();

interface Decoded {
  /** `start end operators` of each body; start is its first operator, where wasmparser stands after the locals. */
  readonly bodies: readonly string[];
  readonly calls: number;
  /** Sum over all direct calls of callee times place, so that each must be found where it stands. */
  readonly callSum: number;
}

function ours(bytes: Uint8Array): Decoded {
  const bodies: string[] = [];
  let calls = 0;
  let callSum = 0;
  for (const body of readModule(bytes).bodies) {
    let operators = 0;
    const instructions = bodyReader(bytes, body);
    const start = instructions.at;
    walk(instructions, (i) => {
      operators += 1;
      if (i.opcode !== op.call && i.opcode !== op.returnCall) return;
      calls += 1;
      callSum = (callSum + (i.index + 1) * calls) % 0x1_0000_0000;
    });
    bodies.push(`${start} ${body.end} ${operators}`);
  }
  return { bodies, calls, callSum };
}

/** wasmparser's states, by the names that its own source gives them (a const enum, gone at run time). */
const state = { error: -1, endWasm: 2, beginBody: 28, operator: 30, endBody: 31 } as const;

interface Operator {
  readonly code: number;
  readonly funcIndex?: number;
}

function theirs(bytes: Uint8Array): Decoded {
  const reader = new wasmparser.BinaryReader();
  const copy = bytes.slice().buffer;
  reader.setData(copy, 0, copy.byteLength);
  const bodies: string[] = [];
  let [calls, callSum, operators, start] = [0, 0, 0, 0];
  // After an error read() goes on returning true.
  while (reader.read() && reader.state !== state.error) {
    if (reader.state === state.beginBody) [operators, start] = [0, reader.position];
    if (reader.state === state.endBody) bodies.push(`${start} ${reader.position} ${operators}`);
    if (reader.state === state.endWasm) break;
    if (reader.state !== state.operator) continue;
    operators += 1;
    const { code, funcIndex } = reader.result as unknown as Operator; // its union type has one member a state
    if (code !== op.call && code !== op.returnCall) continue;
    calls += 1;
    callSum = (callSum + ((funcIndex ?? 0) + 1) * calls) % 0x1_0000_0000;
  }
  if (reader.state === state.error) throw reader.error;
  return { bodies, calls, callSum };
}

/** The first body that differs says more than a list of 80 000. */
function compare(one: Decoded, other: Decoded): void {
  const at = one.bodies.findIndex((body, i) => body !== other.bodies[i]);
  expect({ at, body: one.bodies[at] }).toEqual({ at: -1, body: other.bodies[at] });
  expect({ ...one, bodies: one.bodies.length }).toEqual({ ...other, bodies: other.bodies.length });
}

test('there are modules of all kinds', () => {
  expect(files.length).toBeGreaterThan(40);
});

test.each(files)('%s', async (file) => {
  const bytes = new Uint8Array(await readFile(join(packages, file)));
  const found = ours(bytes);
  compare(found, theirs(bytes));
});

test('yoga, which its package embeds', async () => {
  const embedded: Uint8Array[] = [];
  const keep = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    embedded.push(bytes.slice());
    return bytes;
  };
  await yoga.start({ bytes: keep });
  const [bytes] = embedded;
  if (bytes === undefined) throw new Error('yoga loaded no module');
  expect(ours(bytes).bodies.length).toBeGreaterThan(200);
  compare(ours(bytes), theirs(bytes));
});
