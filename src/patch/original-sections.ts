// The custom sections that the kernel had and its prepared module has otherwise, so that a program under the register hook which
// asks for them gets its own. Not the bytes again: the steps from a section of the prepared module back to the kernel's.
//
//   wgraft.original := version:u32=1 vec(changed)
//   changed         := name:name vec(steps)     one for each section of that name in the kernel; none: preparing added it
//   steps           := vec(skip:u32 keep:u32 block)
//
// The k-th steps start from the k-th section of that name in the prepared module, or from nothing: pass over `skip` bytes, copy
// `keep` bytes, put the block behind them. What is left at the end is not the kernel's.

import { Reader, Writer } from '../wasm/index.ts';

export const originalSection = 'wgraft.original';

export interface Step {
  readonly skip: number;
  readonly keep: number;
  readonly block: Uint8Array;
}

/** The steps to each section of a name, by name. */
export type OriginalSections = ReadonlyMap<string, readonly (readonly Step[])[]>;

const version = 1;

/** The payload of a `wgraft.original` section. */
export function writeOriginalSections(changed: OriginalSections): Uint8Array {
  const out = new Writer(256).u32(version);
  out.vector([...changed], ([name, sections]) => {
    out.name(name).vector(sections, (steps) => {
      out.vector(steps, ({ skip, keep, block }) => out.u32(skip).u32(keep).block(block));
    });
  });
  return out.toBytes();
}

/** Reads the payload of a `wgraft.original` section. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readOriginalSections(payload: Uint8Array): OriginalSections {
  const r = new Reader(payload);
  const found = r.u32();
  if (found !== version) r.fail(`${originalSection} of version ${found}`, 0);
  const step = (): Step => ({ skip: r.u32(), keep: r.u32(), block: r.take(r.u32(), 'block') });
  const changed = r.vector(
    'changed sections',
    () => [r.name(), r.vector('sections', () => r.vector('steps', step, 3))] as const,
    2,
  );
  r.finish(originalSection);
  return new Map(changed);
}

/** The kernel's section, from what the prepared module has in its place. @throws WGRAFT_ERR_WASM_MALFORMED */
export function follow(steps: readonly Step[], prepared: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = new Reader(prepared);
  const size = steps.reduce(
    (sum, { keep, block }) => sum + Math.min(keep, prepared.length) + block.length,
    0,
  );
  const out = new Writer(size);
  for (const { skip, keep, block } of steps) {
    from.skip(skip);
    out.raw(from.take(keep)).raw(block);
  }
  return out.release();
}
