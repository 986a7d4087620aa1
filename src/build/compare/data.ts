// The data of a build: what its data symbols name.

import {
  type LinkSymbol,
  type Range,
  type SegmentInfo,
  segmentAddress,
  symbolBinding,
  type WasmModule,
} from '../../wasm/index.ts';
import { type Reference, within } from './references.ts';

export interface BuildData {
  /** All names that symbols give it; the first one is what it is called. */
  readonly names: readonly string[];
  readonly name: string;
  readonly local: boolean;
  /** String literals, jump tables and other constants whose names mean nothing from one build to the next. */
  readonly anonymous: boolean;
  readonly writable: boolean;
  readonly address: number;
  readonly size: number;
  /** Its initial bytes in the file. */
  readonly content: Range;
  readonly references: readonly Reference[];
  /** Alignment of its segment, bytes. */
  readonly alignment: number;
}

/** What compilers call constants that have no name in the source. */
const anonymousName = /^(\.L|__const\.|switch\.table\.|str(\.\d+)?$|\.str|\.compoundliteral|__unnamed_)/;

/** A variable has a state to keep, whatever its name; but what UBSan writes down about a line of source is none. */
const sanitizerData = /^\.L__unnamed_/;

/** The data behind each defined data symbol. Several names of one variable (aliases) share one entry. */
export function readData(
  m: WasmModule,
  symbols: readonly LinkSymbol[],
  references: readonly Reference[],
  segments: readonly SegmentInfo[],
): Map<LinkSymbol, BuildData> {
  const found = new Map<LinkSymbol, BuildData>();
  const variables = new Map<string, BuildData & { readonly names: string[] }>();
  for (const s of symbols) {
    const place = placeOf(m, s);
    if (place === undefined || s.index === undefined || s.name === undefined) continue;
    const info = segments[s.index];
    const writable = !(info?.name.startsWith('.rodata') ?? false);
    const key = `${s.index} ${s.offset} ${s.size}`;
    const known = writable && s.size > 0 ? variables.get(key) : undefined;
    known?.names.push(s.name);
    const data = known ?? {
      names: [s.name],
      name: s.name,
      local: symbolBinding(s) === 'local',
      anonymous: (writable ? sanitizerData : anonymousName).test(s.name),
      writable,
      ...place,
      size: s.size,
      references: within(references, place.content),
      alignment: 2 ** (info?.alignment ?? 4),
    };
    found.set(s, data);
    if (writable) variables.set(key, data);
  }
  return found;
}

function placeOf(m: WasmModule, s: LinkSymbol): { address: number; content: Range } | undefined {
  const segment = s.index === undefined ? undefined : m.data[s.index];
  if (s.kind !== 'data' || segment === undefined) return undefined;
  const start = segmentAddress(m, segment);
  const content = { start: segment.content.start + s.offset, end: segment.content.start + s.offset + s.size };
  if (start === undefined || content.end > segment.content.end) return undefined;
  return { address: start + s.offset, content };
}
