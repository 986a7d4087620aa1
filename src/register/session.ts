// What the hook needs once there is a module: the loader, this thread's patcher, and the line to the control thread. Loaded
// with the first module of a thread.

import { defaultPatcher } from '../runtime/index.ts';
import type { Config } from './config.ts';
import { connect } from './connect.ts';
import { controlOptions } from './control-options.ts';
import { Link } from './link.ts';
import { type Decision, Loader } from './loader.ts';
import { reasonFor, warn } from './warn.ts';

export function openSession(config: Config): Loader {
  return new Loader({
    config,
    patcher: defaultPatcher,
    warn,
    onFirst: () => {
      try {
        new Link(defaultPatcher, connect(controlOptions(config)));
      } catch (cause) {
        warn(`the wgraft command cannot reach this process: ${reasonFor(cause)}`);
      }
    },
    ...(process.env['WGRAFT_EXPLAIN'] === '1' ? { explain } : {}),
  });
}

function explain({ name, sizeBytes, outcome, how, elapsedMs }: Decision): void {
  const took = outcome === 'prepared' ? `, ${elapsedMs.toFixed(0)} ms` : '';
  process.stderr.write(`wgraft: ${name}, ${sizeBytes} bytes: ${outcome}, ${how}${took}\n`);
}
