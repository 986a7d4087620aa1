// The package's `./register` entry: `node --import wgraft/register app.mjs` makes the Wasm modules of an unchanged program
// patchable. Loading it puts the hook in and does little else: the rooms that do the work are loaded with the first module.

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, workerData } from 'node:worker_threads';
import { requireNow } from '../require-now.ts';
import { type Config, readConfig } from './config.ts';
import { answerWorkers, orderedWord } from './connect.ts';
import { controlOptions } from './control-options.ts';
import { installHook } from './hook.ts';
import type { Loader } from './loader.ts';
import { isControlThread } from './protocol.ts';
import { reasonFor, warn } from './warn.ts';
import { coverWorkers } from './workers.ts';

if (!isControlThread(workerData) && !isOwnCommand()) register();

function register(): void {
  try {
    const config = readConfig(process.env, process.cwd());
    if (!config.enabled) return;
    let session: { readonly loader: Loader | undefined } | undefined;
    const isFirst = installHook(() => {
      session ??= { loader: open(config) };
      return session.loader;
    });
    orderedWord(); // before any worker is made
    if (isFirst) coverWorkers();
    if (isMainThread) process.once('worker', () => answerWorkers(controlOptions(config)));
  } catch (cause) {
    warn(`wgraft is off: ${reasonFor(cause)}`);
  }
}

/** By require(), since a program that compiles a module right now cannot be made to wait for import(). */
function open(config: Config): Loader | undefined {
  try {
    return requireNow<typeof import('./session.ts')>(import.meta.url, './session').openSession(config);
  } catch (cause) {
    warn(`wgraft is off, modules run unprepared: ${reasonFor(cause)}`);
    return undefined;
  }
}

/** With NODE_OPTIONS set, `wgraft` itself comes by here. */
function isOwnCommand(): boolean {
  const [, script] = process.argv;
  if (script === undefined) return false;
  const command = fileURLToPath(new URL('../../bin/wgraft.js', import.meta.url));
  try {
    return realpathSync(script) === realpathSync(command);
  } catch {
    return false;
  }
}
