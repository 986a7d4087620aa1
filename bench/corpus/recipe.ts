// What the corpus says of an entry: a real security fix, with its old and new build and what both must do. Only the fields
// that the bench needs; rebuild.py reads the rest.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';

/** What a call gave: a number, or `trap: ...`; an i64 as its digits. */
export type Value = number | string;

const value = v.union([v.number(), v.string()]);

const schema = v.object({
  name: v.string(),
  cve: v.array(v.string()),
  /** What kind of change it is, measured by the corpus. */
  kinds: v.array(v.string()),
  workload: v.string(),
  workload_result: v.object({ old: value, new: value }),
  /** An exploit-like call whose result differs; there where one is known. */
  observable: v.optional(v.object({ call: v.string(), old: value, new: value })),
  node_flags: v.optional(v.array(v.string()), []),
});

export type Recipe = v.InferOutput<typeof schema>;

/** In the recipes' own words. */
export const nothingChanges = 'no change in the linked module';

/** Reads all recipes of a corpus, by name. @throws where there is no corpus, or a recipe is not one */
export async function readRecipes(corpus: string): Promise<Recipe[]> {
  const folder = path.join(corpus, 'entries');
  const all = await readdir(folder).catch((cause: unknown) => {
    throw new Error(`there is no corpus in ${corpus}; say where it is with --corpus DIR`, { cause });
  });
  const files = all.filter((file) => file.endsWith('.json')).sort();
  return Promise.all(files.map((file) => readRecipe(path.join(folder, file))));
}

async function readRecipe(file: string): Promise<Recipe> {
  const parsed = v.safeParse(schema, JSON.parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.output;
  throw new Error(`${file} is not a recipe: ${parsed.issues.map((i) => i.message).join('; ')}`);
}

/** Those that a name chooses, as rebuild.py understands names: an entry's, or a package's for all of its entries. */
export function chooseRecipes(all: readonly Recipe[], names: readonly string[]): readonly Recipe[] {
  const fits = (recipe: Recipe, name: string): boolean =>
    recipe.name === name || recipe.name.startsWith(`${name}-`);
  for (const name of names) {
    if (!all.some((recipe) => fits(recipe, name))) throw new Error(`the corpus has no entry "${name}"`);
  }
  return names.length === 0 ? all : all.filter((recipe) => names.some((name) => fits(recipe, name)));
}
