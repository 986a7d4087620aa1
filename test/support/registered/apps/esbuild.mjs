// esbuild's compiler in Go, which its package runs in a process of its own.

import { context } from 'esbuild-wasm';

export async function start() {
  let source = '';
  const plugin = {
    name: 'memory',
    setup(build) {
      build.onResolve({ filter: /.*/ }, () => ({ path: 'main', namespace: 'memory' }));
      build.onLoad({ filter: /.*/, namespace: 'memory' }, () => ({ contents: source }));
    },
  };
  const kept = await context({
    entryPoints: ['main'],
    write: false,
    logLevel: 'silent',
    plugins: [plugin],
    minify: true,
  });
  return async (line) => {
    source = line;
    const built = await kept.rebuild().catch(({ errors }) => errors.map(({ text }) => text));
    return Array.isArray(built) ? built : built.outputFiles[0].text.trim();
  };
}
