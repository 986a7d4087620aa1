// Addresses of the program's data by symbol name. A prepared module has none; the original build has, if it was linked with
// --emit-relocs, which keeps the symbol table.

import { createHash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import { readModule, readSymbols, segmentAddress } from '../wasm/index.ts';
import { nearNames } from './function-reference.ts';
import type { Target } from './target.ts';

export interface ProgramData {
  /** @throws WGRAFT_ERR_SYMBOLS_MISSING, WGRAFT_ERR_SYMBOLS_UNSUITABLE */
  addressOf(name: string, file: string): number;
  /** True where the program is known to have data of that name. */
  has(name: string): boolean;
}

/** For a build without symbols: every question for an address is an error that says what to give. */
export const unknownData: ProgramData = {
  addressOf: (name, file) => {
    throw new WgraftError('WGRAFT_ERR_SYMBOLS_MISSING', { symbols: [name], file });
  },
  has: () => false,
};

/**
 * Reads data addresses from the original build of the target.
 * @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE if it is another module, or has no symbol table
 */
export function readProgramData(original: Uint8Array, target: Target): ProgramData {
  const found = createHash('sha256').update(original).digest('hex');
  if (found !== target.map.original)
    unsuitable(
      `the target was prepared from ${target.map.original.slice(0, 12)}, this is ${found.slice(0, 12)}`,
    );
  const m = readModule(original);
  const symbols = readSymbols(m);
  if (symbols === undefined) unsuitable('it has no symbol table');
  const addresses = new Map<string, number[]>();
  for (const s of symbols) {
    const segment = s.index === undefined ? undefined : m.data[s.index];
    if (s.kind !== 'data' || s.name === undefined || segment === undefined) continue;
    const start = segmentAddress(m, segment);
    if (start === undefined || s.offset > segment.content.end - segment.content.start) continue;
    addresses.set(s.name, [...(addresses.get(s.name) ?? []), start + s.offset]);
  }
  return {
    has: (name) => addresses.has(name),
    addressOf: (name, file) => {
      const [reference, place] = splitPlace(name, addresses);
      const all = [...new Set(addresses.get(reference) ?? [])];
      const address = all[place ?? 0];
      if (address !== undefined && (all.length === 1 || place !== undefined)) return address;
      const [reason, remedy] = whyNot(name, all.length, addresses);
      const details = { import: `address of "${name}"`, file, reason };
      throw new WgraftError(
        'WGRAFT_ERR_IMPORT_UNRESOLVED',
        remedy === undefined ? details : { ...details, remedy },
      );
    },
  };
}

/** NAME,N as for functions. */
function splitPlace(name: string, addresses: ReadonlyMap<string, unknown>): [string, (number | undefined)?] {
  const [, base, place] = /^(.+),(\d{1,6})$/s.exec(name) ?? [];
  return base === undefined || addresses.has(name) ? [name] : [base, Number(place) - 1];
}

function whyNot(
  name: string,
  count: number,
  addresses: ReadonlyMap<string, unknown>,
): [reason: string, remedy?: string] {
  if (count > 1)
    return [`the program has ${count} of that name`, `say which: "${name},1" to "${name},${count}"`];
  const near = nearNames(name, addresses.keys());
  const reason = 'the program has no data of that name';
  return near.length === 0 ? [reason] : [reason, `did you mean "${near.join('" or "')}"?`];
}

function unsuitable(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', { reason });
}
