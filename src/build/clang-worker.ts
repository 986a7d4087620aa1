// Worker: runs clang and wasm-ld. One job at a time, each with its own files.

import { parentPort } from 'node:worker_threads';

export interface ClangJob {
  readonly tool: 'clang' | 'wasm-ld';
  readonly args: readonly string[];
  readonly files: Readonly<Record<string, string | Uint8Array>>;
}

export type ClangAnswer =
  /** `files`: what the tool wrote. */
  | {
      readonly kind: 'done';
      readonly ok: boolean;
      readonly output: string;
      readonly files: Readonly<Record<string, Uint8Array>>;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed'; readonly reason: string };

type Compiler = typeof import('@yowasp/clang');
type Tree = NonNullable<Parameters<Compiler['runLLVM']>[1]>;

parentPort?.on('message', (job: ClangJob) => {
  void answer(job).then((message) => parentPort?.postMessage(message));
});

async function answer(job: ClangJob): Promise<ClangAnswer> {
  let compiler: Compiler;
  try {
    compiler = await import('@yowasp/clang');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    return missing ? { kind: 'missing' } : { kind: 'failed', reason: String(error) };
  }
  try {
    return await run(compiler, job);
  } catch (error) {
    return { kind: 'failed', reason: String(error) };
  }
}

async function run(compiler: Compiler, job: ClangJob): Promise<ClangAnswer> {
  const decoder = new TextDecoder();
  let output = '';
  const print = (bytes: Uint8Array | null): void => {
    output += decoder.decode(bytes ?? undefined, { stream: bytes !== null });
  };
  const options = { stdout: print, stderr: print, decodeASCII: false, fetchProgress: () => {} };
  try {
    const tree = await compiler.commands[job.tool]([...job.args], toTree(job.files), options);
    return { kind: 'done', ok: true, output, files: written(tree ?? {}, job) };
  } catch (error) {
    if (!(error instanceof compiler.Exit)) throw error;
    return { kind: 'done', ok: false, output, files: {} };
  }
}

/** `a/b.h` is file b.h in folder a. */
function toTree(files: ClangJob['files']): Tree {
  const root: Tree = {};
  for (const [path, content] of Object.entries(files)) {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    const name = parts.pop();
    let folder = root;
    for (const part of parts) {
      const next = folder[part];
      const inner: Tree = typeof next === 'object' && !(next instanceof Uint8Array) ? next : {};
      folder[part] = inner;
      folder = inner;
    }
    if (name !== undefined) folder[name] = content;
  }
  return root;
}

function written(tree: Tree, job: ClangJob): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const [name, content] of Object.entries(tree))
    if (content instanceof Uint8Array && !(name in job.files)) files[name] = content;
  return files;
}
