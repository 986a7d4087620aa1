// Source maps of Wasm: every generated column of line 1 is an offset in the file. Inside guards, those in the code move.
//
//   sourceMappingURL := name        of a file beside the module, or a data: URL with the map itself

import { createRequire } from 'node:module';
import type { SourceMapMappings } from '@jridgewell/sourcemap-codec';
import { WgraftError } from '../errors.ts';
import { findCustom, Reader, type WasmModule, Writer } from '../wasm/index.ts';
import type { AddressMap } from './debug/index.ts';

export const sourceMapSection = 'sourceMappingURL';

/** A kernel's source map, given beside it. */
export interface SourceMapOption {
  /** The map: JSON. */
  readonly content: string;
  /** What the prepared module's `sourceMappingURL` will say: where the new map will be. */
  readonly url: string;
}

/** Where a module's code stands, before it has guards, and with them. */
export interface MovedCode {
  readonly addresses: AddressMap;
  /** Where the payload of the code section starts in the prepared module. */
  readonly origin: number;
}

export interface MovedSourceMap {
  /** The section's payload. */
  readonly payload: Uint8Array;
  /** The new map, where one was given. */
  readonly content: string | undefined;
}

/**
 * The source map of a prepared module; undefined where the kernel has none, or has it in a file that was not given.
 * @throws WGRAFT_ERR_OPTION_INVALID for a map that was given and cannot be read
 */
export function moveSourceMap(
  m: WasmModule,
  given: SourceMapOption | undefined,
  code: () => MovedCode,
): MovedSourceMap | undefined {
  if (given !== undefined) {
    const content = moveContent(given.content, code);
    if (typeof content !== 'string')
      throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'sourceMap', reason: content.fault });
    return { payload: new Writer().name(given.url).toBytes(), content };
  }
  const text = inlineMap(m);
  const content = text === undefined ? undefined : moveContent(text, code);
  if (typeof content !== 'string') return undefined;
  const url = `data:application/json;base64,${Buffer.from(content).toString('base64')}`;
  return { payload: new Writer(url.length + 5).name(url).toBytes(), content: undefined };
}

/** True for the payload of a section that holds the map, not the name of its file. */
export function isMapInside(payload: Uint8Array): boolean {
  return /^[\x80-\xff]*[\0-\x7f]data:/.test(Buffer.from(payload.subarray(0, 10)).toString('latin1'));
}

const dataUrl = /^data:application\/json(?:;charset=[\w-]+)?(;base64)?,/i;

/** The map in the module itself. A damaged section has none. */
function inlineMap(m: WasmModule): string | undefined {
  const section = findCustom(m.sections, sourceMapSection);
  if (section === undefined) return undefined;
  try {
    const url = new Reader(m.bytes, section.payload, section.end).name();
    const found = dataUrl.exec(url);
    if (found === null) return undefined;
    const data = url.slice(found[0].length);
    return found[1] === undefined ? decodeURIComponent(data) : Buffer.from(data, 'base64').toString();
  } catch (error) {
    if (error instanceof URIError || WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) return undefined;
    throw error;
  }
}

interface Fault {
  readonly fault: string;
}

function moveContent(content: string, code: () => MovedCode): string | Fault {
  let map: unknown;
  try {
    map = JSON.parse(content);
  } catch (error) {
    return { fault: `it is no JSON: ${String(error)}` };
  }
  if (typeof map !== 'object' || map === null) return { fault: 'it is no source map' };
  if ('sections' in map) return { fault: 'it is an index of several maps' };
  if (!('version' in map) || map.version !== 3) return { fault: 'it is no source map of version 3' };
  if (!('mappings' in map) || typeof map.mappings !== 'string') return { fault: 'it has no mappings' };
  if (!/^[A-Za-z0-9+/,;]*$/.test(map.mappings)) return { fault: 'its mappings are damaged' };
  const { decode, encode } = loadCodec();
  return JSON.stringify({ ...map, mappings: encode(moveMappings(decode(map.mappings), code())) });
}

/** What is not in the code is nothing that a map of Wasm could mean; other lines than the first there are none. */
function moveMappings(mappings: SourceMapMappings, { addresses, origin }: MovedCode): SourceMapMappings {
  const segments = (mappings[0] ?? []).filter(([column]) => addresses.holds(column - addresses.origin));
  for (const segment of segments) segment[0] = origin + addresses.of(segment[0] - addresses.origin);
  return [segments.sort(([a], [b]) => a - b)];
}

/** Loaded when there is a map, which is seldom; at once, because a module that is loaded right now cannot wait. */
function loadCodec(): typeof import('@jridgewell/sourcemap-codec') {
  return createRequire(import.meta.url)('@jridgewell/sourcemap-codec');
}
