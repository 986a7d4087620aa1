// wgraft inspect: what a file is, and what stands in it.

import type { Command } from 'commander';
import { readInput } from '../files.ts';
import { describe } from '../options.ts';
import type { Output } from '../output.ts';

export function addInspect(program: Command, output: Output): void {
  const command = program
    .command('inspect')
    .argument('<file>', 'a module, a prepared module or a patch, - for stdin')
    .action((file: string) => inspect(output, file));
  describe(command, {
    summary: 'show what a module or a patch is made of',
    examples: ['wgraft inspect app.slots.wasm', 'wgraft inspect fix.wgp', 'wgraft inspect app.wasm --json'],
    notes: [
      'With -v also every function, and in a patch every import. Section ranges are checked with a second, independent reader; it knows older modules only, and that it cannot read one is no error.',
    ],
    exits: { 0: true, 1: 'the file cannot be read', 2: true, 4: 'not WebAssembly, or damaged' },
  });
}

async function inspect(output: Output, file: string): Promise<void> {
  const bytes = await readInput(file);
  const { describeFile, showDescription } = await import('../inspection.ts');
  const description = await describeFile(bytes);
  const text = output.json ? '' : await showDescription(output, file, description);
  output.result({ file, ...description }, () => text);
}
