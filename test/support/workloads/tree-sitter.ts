// tree-sitter (C, Emscripten main module) with the JavaScript grammar as a dynamic side module: both are loaded through
// the loader and share memory and table. Parses, edits, parses again, queries.

import type * as TreeSitter from 'web-tree-sitter';
import { digest } from './digest.ts';
import { dylink0 } from './dylink.ts';
import { freshRequire, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const treeSitter: Workload = {
  name: 'tree-sitter',
  traits: ['c', 'emscripten', 'dynamic linking', 'side module'],
  start: (loader) => start(loader, 'web-tree-sitter'),
  named: (loader) => start(loader, 'web-tree-sitter/debug'),
};

async function start(loader: Loader, specifier: string): Promise<Running> {
  const program = freshRequire<typeof TreeSitter>(specifier);
  const grammar = dylink0(
    readPackageFile('tree-sitter-wasms/package.json', 'out/tree-sitter-javascript.wasm'),
  );
  const language = await loadThrough(loader, async () => {
    await program.Parser.init();
    return program.Language.load(grammar);
  });
  return { work: async (scale = 1) => work(program, language, scale) };
}

function work(program: typeof TreeSitter, language: TreeSitter.Language, scale: number): string {
  const source = text(Math.ceil(120 * scale));
  const parser = new program.Parser().setLanguage(language);
  const tree = parser.parse(source);
  if (tree === null) throw new Error('not parsed');
  const before = {
    shape: digest(tree.rootNode.toString()),
    nodes: tree.rootNode.descendantCount,
    isBroken: tree.rootNode.hasError,
  };
  const edited = `${source.slice(0, 20)} + (${source.slice(20)}`;
  tree.edit(
    new program.Edit({
      startIndex: 20,
      oldEndIndex: 20,
      newEndIndex: 24,
      startPosition: { row: 0, column: 20 },
      oldEndPosition: { row: 0, column: 20 },
      newEndPosition: { row: 0, column: 24 },
    }),
  );
  const again = parser.parse((index) => edited.slice(index, index + 1000), tree);
  if (again === null) throw new Error('not parsed again');
  const query = new program.Query(
    language,
    '(function_declaration name: (identifier) @name) (template_string) @text (call_expression function: (_) @called)',
  );
  const captures = query
    .captures(again.rootNode)
    .map(({ name, node }) => [name, node.text, node.startIndex, node.parent?.type]);
  const changed = again.getChangedRanges(tree).length;
  const after = {
    shape: digest(again.rootNode.toString()),
    isBroken: again.rootNode.hasError,
    changed,
    captures: digest(captures),
  };
  for (const owned of [query, again, tree, parser]) owned.delete();
  return JSON.stringify({ before, after, count: captures.length });
}

const text = (functions: number): string =>
  Array.from(
    { length: functions },
    (_, i) => `
async function f${i}({ a, b = ${i} }, ...rest) {
  for (const [key, value] of Object.entries(rest)) if (/^k\\d+[${i % 9}a-z]$/u.test(key)) a += await value?.call(this, \`at \${key}: \${b ** 2}\`);
  class C${i} extends (a, Map) { static #count = 0x${i.toString(16)}n; get size() { return super.size + C${i}.#count; } }
  return label${i} ?? { ...b, [a]: <view x={a}>text {b}</view>, async *g() { yield* rest } };
}`,
  ).join('\n');
