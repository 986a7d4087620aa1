// Stories with many patches. Their WAT is parsed here and not in a worker with a time limit, whose start takes longer than all
// the rest of a small test; from the parsed module on they are built as everybody builds them.

import { assemble } from '../../src/build/assemble.ts';
import type { BuildOptions } from '../../src/build/index.ts';
import { unknownData } from '../../src/build/program-data.ts';
import { chooseReplacements } from '../../src/build/replaced.ts';
import { readTarget } from '../../src/build/target.ts';
import { readUnit } from '../../src/build/unit.ts';
import { story as plainStory, type Story, type StoryOptions } from './story.ts';
import { wat } from './wat.ts';

export { type Pause, pausing, reserved, returning, type Story, smooth } from './story.ts';

export function story(
  kernel: string | Uint8Array,
  imports: WebAssembly.Imports = {},
  options: StoryOptions = { slots: 'all' },
): Promise<Story> {
  return plainStory(kernel, imports, { build: buildHere, ...options });
}

/** All replacements come from one source, as a story's do. */
async function buildHere(options: BuildOptions): Promise<{ readonly bytes: Uint8Array }> {
  const target = readTarget(options.target);
  const replaced = chooseReplacements(target, options.replacements);
  const { file, text } = options.replacements[0]?.source ?? { file: 'none', text: '(module)' };
  const units = [{ unit: readUnit(file, 'wat', wat(text)), replaced }];
  const began = performance.now();
  return assemble({
    allowImports: [],
    ...options,
    target,
    replaced,
    units,
    data: unknownData,
    began,
    rules: options,
  });
}
