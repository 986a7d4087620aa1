// npm run corpus -- [--only NAME...] [--slots all|auto|entry] [--no-debug] [--json FILE] [--keep DIR] [--no-build]
// Real security fixes, patched live from their two builds: ../shared/corpus has the recipes. Every entry is judged by its own
// builds: patched it must do what the new one does, reverted what the old one does. Exit code 1 where one is wrong,
// failed or could not be built.
//
// --corpus DIR (or CORPUS)            the recipes; default ../shared/corpus beside the repository
// --scratch DIR (or CORPUS_SCRATCH)   where pairs are built and kept; default: the user's cache folder
// --no-debug                          builds without debug information, which names structs and their fields
// --timeout SECONDS                   for one entry, building of its pair not counted; default 120
// --builder FILE                      the module that has buildPatchFromBuilds; default src/build/index.ts

import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import envPaths from 'env-paths';
import { reasonOf } from '../../src/errors.ts';
import { slotPolicies } from '../../src/patch/index.ts';
import { loadBuilder } from './builder.ts';
import { type EntryOptions, runEntry } from './entry.ts';
import type { Row } from './outcome.ts';
import { Pairs } from './pairs.ts';
import { chooseRecipes, type Recipe, readRecipes } from './recipe.ts';
import { header, showRow, showTotals, totals } from './report.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    only: { type: 'string', multiple: true, default: [] },
    slots: { type: 'string', default: 'auto' },
    json: { type: 'string' },
    keep: { type: 'string' },
    debug: { type: 'boolean', default: true },
    build: { type: 'boolean', default: true },
    corpus: { type: 'string', default: process.env['CORPUS'] ?? path.join(root, '..', 'shared', 'corpus') },
    scratch: { type: 'string', default: process.env['CORPUS_SCRATCH'] ?? cacheFolder() },
    timeout: { type: 'string', default: '120' },
    builder: { type: 'string', default: path.join(root, 'src', 'build', 'index.ts') },
  },
});

const recipes = await choose();
const options = await entryOptions();
const machine = `Node ${process.versions.node}, V8 ${process.versions.v8}, ${cpus()[0]?.model ?? 'unknown CPU'}`;
console.log(
  `${machine}; ${recipes.length} entries, slots: ${options.slots}${values.debug ? ', with debug information' : ', without debug information'}`,
);
console.log(header());
const rows: Row[] = [];
for (const recipe of recipes) {
  const row = await runEntry(recipe, options);
  rows.push(row);
  console.log(showRow(row));
}
const sums = totals(rows);
console.log(`\n${showTotals(sums)}`);
if (values.json !== undefined)
  await writeFile(
    values.json,
    `${JSON.stringify({ machine, slots: options.slots, debug: values.debug, totals: sums, rows }, null, 2)}\n`,
  );
const { applied, refused, nothing } = sums.all;
process.exitCode = applied + refused + nothing === rows.length ? 0 : 1;

/** `--only a b` and `--only a --only b,c` alike. */
async function choose(): Promise<readonly Recipe[]> {
  const names = [...values.only, ...positionals].flatMap((list) => list.split(',')).filter(Boolean);
  if (positionals.length > 0 && values.only.length === 0) usage(`unexpected "${positionals[0]}"`);
  try {
    return chooseRecipes(await readRecipes(values.corpus), names);
  } catch (error) {
    return usage(reasonOf(error));
  }
}

async function entryOptions(): Promise<EntryOptions> {
  const slots = slotPolicies.find((policy) => policy === values.slots);
  if (slots === undefined) return usage(`--slots is one of ${slotPolicies.join(', ')}`);
  const timeoutMs = Number(values.timeout) * 1000;
  if (!(timeoutMs > 0)) return usage('--timeout is a number of seconds');
  const builder = path.resolve(values.builder);
  if ((await loadBuilder(builder)) === undefined)
    console.error(
      `${path.relative(process.cwd(), builder)} exports no buildPatchFromBuilds: no patch is built, all else is run`,
    );
  const { corpus, scratch, build, debug } = values;
  const pairs = new Pairs({ corpus: path.resolve(corpus), scratch: path.resolve(scratch), build, debug });
  const keep = values.keep === undefined ? {} : { keep: path.resolve(values.keep) };
  return { pairs, slots, builder, timeoutMs, ...keep };
}

function cacheFolder(): string {
  return path.join(envPaths('wgraft', { suffix: '' }).cache, 'corpus');
}

function usage(what: string): never {
  console.error(what);
  process.exit(2);
}
