// What wasm-ld says of a linked module: symbols, segments, constructors, comdat groups. LLVM's own objdump is the judge.

import { describe, expect, test } from 'vitest';
import {
  hasFlag,
  type Linking,
  type LinkSymbol,
  readLinking,
  readModule,
  readSymbols,
  segmentAddress,
  symbolBinding,
  symbolFlags,
  type WasmModule,
  Writer,
} from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { linkedProgram, variants } from '../../support/linked-program.ts';
import { objdump } from '../../support/llvm-objdump.ts';
import { wat } from '../../support/wat.ts';

const empty = wat('(module (import "env" "far" (func)) (func $near))');

/** A module with a `linking` section of these bytes. */
function withLinking(payload: (out: Writer) => void, base: Uint8Array = empty): WasmModule {
  const inner = new Writer();
  payload(inner);
  return readModule(new Writer().raw(base).custom('linking', inner.view()).toBytes());
}

function show(symbol: LinkSymbol): string {
  const flags = Object.keys(symbolFlags).filter((flag) => hasFlag(symbol, flag as keyof typeof symbolFlags));
  const place = symbol.kind === 'data' ? `${symbol.index}+${symbol.offset},${symbol.size}` : symbol.index;
  return `${symbol.kind} ${symbol.name} ${place} ${flags.join(' ')}`.trim();
}

describe('a linked program', () => {
  test('names all its symbols, those of its imports too', async () => {
    const symbols = readSymbols(readModule(await linkedProgram('plain')));
    expect(symbols?.map(show).sort()).toEqual([
      'data .L.str 0+4,6 local',
      'data .L.str.1 0+10,4 local',
      'data .L.str.2 0+0,4 local',
      'data .L.str.3 0+14,6 local',
      'data __data_end undefined+66016,0 hidden absolute',
      'data __heap_base undefined+66016,0 hidden absolute',
      'data absent undefined+0,0 weak undefined',
      'data counter 1+24,4 local',
      'data functions 1+28,8 hidden',
      'data message 1+16,4 hidden',
      'data names 0+20,12 local',
      'data numbers 1+0,16 hidden',
      'data own 1+20,4 hidden',
      'data zeros 2+0,400 hidden',
      'func get 6 hidden noStrip',
      'func go 5 hidden noStrip',
      'func imported 0 undefined explicitName',
      'func init 4 local',
      'func thrice 2 hidden',
      'func twice 3 local',
      'table __indirect_function_table 0 hidden',
    ]);
  });

  test('tells its segments and constructors', async () => {
    const linking = readLinking(readModule(await linkedProgram('plain')));
    const constructors = linking?.initFunctions.map((f) => [f.priority, linking.symbols[f.symbol]?.name]);
    expect({ segments: linking?.segments, constructors, comdats: linking?.comdats }).toEqual({
      segments: [
        { name: '.rodata', alignment: 2, flags: 0 },
        { name: '.data', alignment: 4, flags: 0 },
        { name: '.bss', alignment: 4, flags: 0 },
      ],
      constructors: [[65535, 'init']],
      comdats: [],
    });
  });

  test('has none of it without --emit-relocs', async () => {
    expect(readLinking(readModule(await linkedProgram('stripped')))).toBeUndefined();
  });
});

test.each(variants.filter((v) => v !== 'stripped'))(
  'objdump sees the same symbols, sizes and bindings: %s',
  async (variant) => {
    const bytes = await linkedProgram(variant);
    const m = readModule(bytes);
    const ours = readSymbols(m)?.filter((s) => s.kind !== 'section');
    const theirs = (await objdump('-t', bytes)).map(parseSymbol).filter((s) => !s.isSection);
    expect(ours?.map((s) => seen(m, s))).toEqual(theirs.map(({ isSection, ...rest }) => rest));
  },
);

interface Seen {
  readonly name: string;
  readonly kind: string;
  readonly binding: string;
  readonly isHidden: boolean;
  readonly size: number | undefined;
  readonly address: number | undefined;
}

/** objdump knows `F` functions, `O` data and nothing of the other kinds; sizes of functions count the body's size field. */
function seen(m: WasmModule, s: LinkSymbol): Seen {
  const isUndefined = hasFlag(s, 'undefined');
  const kind = s.kind === 'func' ? 'F' : s.kind === 'data' ? 'O' : ' ';
  const segment = s.kind === 'data' && s.index !== undefined ? m.data[s.index] : undefined;
  const binding = symbolBinding(s);
  return {
    name: s.name ?? '',
    kind,
    binding: isUndefined
      ? binding === 'weak'
        ? ' w'
        : '  '
      : { global: 'g ', weak: 'gw', local: 'l ' }[binding],
    isHidden: hasFlag(s, 'hidden'),
    size: s.kind === 'data' ? s.size : undefined,
    address: segment && (segmentAddress(m, segment) ?? 0) + s.offset,
  };
}

function parseSymbol(line: string): Seen & { isSection: boolean } {
  const [, address, binding, debug, kind, section, size, hidden, name] =
    /^([0-9a-f]{8,16}) (..)...(.)(.) (\S+)\t([0-9a-f]{8,16}) (\.hidden )?(.*)$/.exec(line) ?? [];
  const isData = kind === 'O';
  const isAbsolute = name === '__heap_base' || name === '__data_end';
  return {
    name: name ?? `not understood: ${line}`,
    kind: kind ?? '',
    binding: binding ?? '',
    isHidden: hidden !== undefined,
    size: isData ? Number.parseInt(size ?? '', 16) : undefined,
    address: isData && section === 'DATA' && !isAbsolute ? Number.parseInt(address ?? '', 16) : undefined,
    isSection: debug === 'd',
  };
}

test('a C++ object tells which definitions stand or fall together', async () => {
  const source = `
    inline int shared(int x) { static int calls; return calls += x; }
    int caller(int x) { return shared(x) + shared(2); }`;
  const object = await compileC(source, { fileName: 'main.cc', flags: ['-c', '-fno-inline'] });
  const m = readModule(object);
  const { comdats = [], symbols = [] } = readLinking(m) ?? {};
  const named = comdats.map((c) => [
    c.name,
    c.members.map(({ kind, index }) =>
      kind === 'func'
        ? symbols.find((s) => s.kind === 'func' && s.index === index)?.name
        : `${kind} ${index}`,
    ),
  ]);
  expect(named).toEqual([
    ['_Z6sharedi', ['_Z6sharedi']],
    ['_ZZ6sharediE5calls', ['data 0']],
  ]);
});

describe('a linking section by hand', () => {
  const known: Linking = { symbols: [], segments: [], initFunctions: [], comdats: [] };

  test('subsections that nobody knows are passed over', () => {
    const m = withLinking((out) => {
      const functions = new Writer().u32(2).u8(0).u32(0x10).u32(0).u8(0).u32(0).u32(1).name('near');
      out.u32(2).section(99, [1, 2, 3]).section(8, functions.view()).section(4, []);
    });
    const place = { kind: 'func', offset: 0, size: 0 };
    expect(readLinking(m)).toEqual({
      ...known,
      symbols: [
        { ...place, flags: 0x10, name: 'far', index: 0 },
        { ...place, flags: 0, name: 'near', index: 1 },
      ],
    });
  });

  test('another version is refused', () => {
    const m = withLinking((out) => out.u32(1));
    expect(() => readLinking(m)).toThrow(
      expect.objectContaining({
        code: 'WGRAFT_ERR_WASM_MALFORMED',
        message: expect.stringContaining('linking section of version 1'),
      }),
    );
  });

  test.each([
    ['a kind of symbol that there is not', [8, 4, 1, 6, 0, 0]],
    ['more symbols than bytes', [8, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a byte too many', [6, 2, 0, 0]],
    ['a subsection longer than the section', [5, 9, 0]],
    ['a kind of comdat member that there is not', [7, 6, 1, 0, 0, 1, 9, 0]],
  ])('%s is malformed', (_, bytes) => {
    const m = withLinking((out) => out.u32(2).raw(bytes));
    expect(() => readLinking(m)).toThrow(expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }));
  });

  test('half a million symbols are read', () => {
    const count = 500_000;
    const m = withLinking((out) => {
      const table = new Writer(count * 6).u32(count);
      for (let i = 0; i < count; i += 1) table.u8(0).u32(0).u32(1).name('f');
      out.u32(2).section(8, table.view());
    });
    expect(readSymbols(m)).toHaveLength(count);
  });
});
