// Workers that would start without the hook: those with options of their own (`execArgv`), and those made from text (`eval`), for
// which Node heeds no --import. They are told to --require it; preload.ts takes that out of what they see of their options.

import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import workerThreads, { type WorkerOptions } from 'node:worker_threads';
import { constructorStandIn } from '../wasm/stand-in.ts';
import { withoutOurFrames } from './stack.ts';

type Constructor = new (...args: unknown[]) => object;

const preload = fileURLToPath(
  new URL(`./preload.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);
/** Workers of wgraft itself are none of the program's. */
const own = new URL('..', import.meta.url).href;

/** Puts a constructor that looks like Node's in place of `Worker`. */
export function coverWorkers(): void {
  const { Worker } = workerThreads;
  const original = Worker as unknown as Constructor;
  const covered = constructorStandIn(Worker, (args, newTarget) =>
    withoutOurFrames(() => {
      if (newTarget === undefined) return Reflect.apply(original, undefined, args) as object; // which throws
      const [file, options, ...rest] = args;
      const wanted = optionsWithHook(file, options);
      const made = wanted && constructIfPossible(original, [file, wanted, ...rest], newTarget);
      return made ?? (Reflect.construct(original, args, newTarget) as object);
    }),
  );
  Worker.prototype.constructor = covered;
  Object.defineProperty(workerThreads, 'Worker', {
    ...Object.getOwnPropertyDescriptor(workerThreads, 'Worker'),
    value: covered,
  });
  syncBuiltinESMExports();
}

/** Undefined where the worker gets the hook as this thread did, or Node will refuse what it is given. */
function optionsWithHook(file: unknown, options: unknown): object | undefined {
  if (typeof options !== 'object' || options === null || String(file).startsWith(own)) return undefined;
  const { execArgv, eval: isText }: WorkerOptions = options;
  if (execArgv ? !Array.isArray(execArgv) : !isText) return undefined;
  const value = ['--require', preload, ...(execArgv ?? process.execArgv)];
  return Object.create(options, { execArgv: { value, enumerable: true } }) as object;
}

/** Undefined where this process has options that no worker can be given, but for those that it inherits. */
function constructIfPossible(
  original: Constructor,
  args: unknown[],
  newTarget: (...args: unknown[]) => unknown,
): object | undefined {
  try {
    return Reflect.construct(original, args, newTarget) as object;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_INVALID_EXEC_ARGV')
      return undefined;
    throw cause;
  }
}
