// wgraft verify: would a patch apply to a prepared module? Asks the files what `apply --dry-run` asks a live program.

import type { Command } from 'commander';
import { WgraftError } from '../../errors.ts';
import { readModuleInput, readPatchInput } from '../files.ts';
import { describe } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';
import { plural, shortId } from '../table.ts';

interface VerifyOptions extends OutputOptions {
  target: string;
}

export function addVerify(program: Command, output: Output): void {
  const command = program
    .command('verify')
    .argument('<patch>', 'a patch file, - for stdin')
    .requiredOption('--target <module>', 'the prepared module that the patch is for')
    .action((file: string, options: VerifyOptions) => verify(output, file, options));
  describe(command, {
    summary: 'check a patch against a prepared module',
    examples: ['wgraft verify fix.wgp --target app.slots.wasm', 'wgraft apply fix.wgp api --dry-run'],
    notes: [
      'Checks the build id; of each replaced function the slot, the type and the body it was built from; of each function that the patch calls or points to the body.',
    ],
    exits: { 0: 'the patch is for this module', 1: 'a file cannot be read', 2: true, 4: true },
  });
}

async function verify(output: Output, file: string, options: VerifyOptions): Promise<void> {
  const { findSlotMap, patchSizeLimitBytes } = await import('../../patch/index.ts');
  const { loadPatch, matchPatch, otherBuild } = await import('../../runtime/index.ts');
  const { readBuildId, readSections } = await import('../../wasm/index.ts');
  const { crossCheckSections } = await import('../../wasm/second-reader.ts');
  const { showCrossCheck } = await import('../inspection.ts');
  const bytes = await readPatchInput(file, patchSizeLimitBytes);
  const patch = loadPatch(bytes);
  const target = await readModuleInput(options.target);
  const map = findSlotMap(target);
  const id = readBuildId(target, readSections(target));
  if (map === undefined || id === undefined) {
    throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: options.target });
  }
  const found = Buffer.from(id).toString('hex');
  if (found !== patch.manifest.target.buildId) throw otherBuild(patch, [{ buildId: found, map }]);
  matchPatch(patch, map);
  const secondReader = { patch: await crossCheckSections(bytes), target: await crossCheckSections(target) };
  for (const check of Object.values(secondReader)) {
    if (check.kind === 'differs') output.warn(`second reader: ${showCrossCheck(check)}`);
  }
  const { name } = patch.manifest;
  output.result(
    {
      target: { file: options.target, buildId: found },
      patch: { id: patch.id, name, functions: patch.functionNames },
      secondReader,
    },
    () =>
      `${name} fits ${options.target}   ${plural(patch.functionNames.length, 'function')}, build ${shortId(found)}`,
  );
}
