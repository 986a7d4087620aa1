// kpatch's integration and unit cases (numbers of README.md): one kernel in C, one edit a case; the exact functions that the
// patch replaces and brings, and how the running kernel behaves before, with and after it.

import { describe, expect, test } from 'vitest';
import { imports, kernelBuilds } from '../support/kpatch.ts';
import { contentsOf, everySlot, type Live, memoryOf, patchOf, run } from '../support/two-builds.ts';
import { cases, type Kernel } from './kpatch-cases.ts';

function kernel(live: Live): Kernel {
  const number: Kernel['call'] = (name, ...args) => Number(live.call(name, ...args) ?? 0);
  return { call: number, text: (name, ...args) => readText(live, number(name, ...args)) };
}

function readText(live: Live, at: number): string {
  const bytes = memoryOf(live).slice(at, at + 64);
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

describe('a patch for one edit', () => {
  test.each(Object.entries(cases))('%s', async (_, c) => {
    const builds = await kernelBuilds(c.edits);
    const patch = await patchOf(builds, { ...everySlot, ...c.choices });
    expect(contentsOf(patch)).toEqual({ replaced: c.replaced, added: c.added ?? [] });

    const live = await run(builds.old, everySlot, imports);
    const seen = [c.look(kernel(live))];
    await live.patcher.apply(patch.bytes);
    seen.push(c.look(kernel(live)));
    await live.patcher.revert(undefined);
    seen.push(c.look(kernel(live)));
    expect(seen).toEqual(c.seen);
  });
});
