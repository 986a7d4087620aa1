// Single instructions, shown as an independent printer (wabt's) writes them.

import { describe, expect, test } from 'vitest';
import wabt from 'wabt';
import { bodyReader, readModule, showInstruction, walk } from '../../../src/wasm/index.ts';

const source = `(module
  (type $t (func (param i32) (result i64)))
  (memory 1) (table 1 funcref) (global $g (mut f64) (f64.const 0))
  (func $f (param i32) (result i64)
    (local f32 f64)
    i32.const -7
    i32.load8_u offset=12
    drop
    i64.const -9000000000
    i32.const 65536
    i64.extend_i32_u
    i64.rem_s
    drop
    f64.const 1.5
    global.set 0
    f32.const 0.25
    i32.trunc_sat_f32_u
    drop
    block
      local.get 0
      br_if 0
      br 0
    end
    local.get 0
    if (result i32)
      i32.const 1
    else
      i32.const 2
    end
    i32.const 3
    i64.const 4
    i64.store32 offset=8
    i32.const 0
    i32.const 0
    memory.fill
    i32.const 5
    i32.const 1
    memory.grow
    call_indirect (type 0)
    unreachable
    call 0))`;

async function assemble(text: string): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  return parseWat('test.wat', text).toBinary({}).buffer;
}

async function shown(): Promise<string[]> {
  const m = readModule(await assemble(source));
  const [body] = m.bodies;
  if (body === undefined) throw new Error('no body');
  const lines: string[] = [];
  walk(bodyReader(m.bytes, body), (i) => lines.push(showInstruction(m.bytes, i)));
  return lines;
}

describe('showInstruction', () => {
  test('writes what was written', async () => {
    const written = source
      .slice(source.indexOf('i32.const -7'), source.lastIndexOf('))'))
      .split('\n')
      .map((line) => line.trim());
    expect(await shown()).toEqual([...written, 'end']);
  });

  test('indices can be named', async () => {
    const m = readModule(await assemble('(module (func $a (call 1)) (func $b))'));
    const [body] = m.bodies;
    if (body === undefined) throw new Error('no body');
    const lines: string[] = [];
    walk(bodyReader(m.bytes, body), (i) =>
      lines.push(showInstruction(m.bytes, i, (_, index) => `$f${index}`)),
    );
    expect(lines).toEqual(['call $f1', 'end']);
  });
});
