// What the hook needs once there is a module: the loader, this thread's patcher, and the line to the control thread. Loaded
// with the first module of a thread.

import { requireNow } from '../require-now.ts';
import { defaultPatcher } from '../runtime/index.ts';
import type { Config } from './config.ts';
import { connect } from './connect.ts';
import { controlOptions } from './control-options.ts';
import { importedSharedMemory } from './imported-memory.ts';
import { Link } from './link.ts';
import { type Born, type Decision, Loader } from './loader.ts';
import type { SharedMemories } from './shared-memories.ts';
import { reasonFor, warn } from './warn.ts';

export function openSession(config: Config): Loader {
  const session = new Session(config);
  return new Loader({
    config,
    warn,
    adopt: (born) => session.adopt(born),
    ...(process.env['WGRAFT_EXPLAIN'] === '1' ? { explain } : {}),
  });
}

/** Who gets an instance: the thread's own patcher, or, where it works on the memory of other threads, the one for that memory. */
class Session {
  readonly #config: Config;
  #link: Link | undefined;
  #isLinked = false;
  #memories: SharedMemories | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  adopt(born: Born): void {
    const memory = importedSharedMemory(born.module, born.imports);
    try {
      if (memory === undefined) defaultPatcher.adopt(born.instance, born.module, born.imports, born.options);
      else this.#shared().adopt(memory, born);
    } finally {
      this.#connect();
    }
  }

  #shared(): SharedMemories {
    if (this.#memories === undefined) {
      type Room = typeof import('./shared-memories.ts');
      const room = requireNow<Room>(import.meta.url, './shared-memories');
      this.#memories = new room.SharedMemories(() => this.#connect());
    }
    return this.#memories;
  }

  /** With the first instance. */
  #connect(): Link | undefined {
    if (this.#isLinked) return this.#link;
    this.#isLinked = true;
    try {
      this.#link = new Link(defaultPatcher, connect(controlOptions(this.#config)));
    } catch (cause) {
      warn(`the wgraft command cannot reach this process: ${reasonFor(cause)}`);
    }
    return this.#link;
  }
}

function explain({ name, sizeBytes, outcome, how, elapsedMs }: Decision): void {
  const took = outcome === 'prepared' ? `, ${elapsedMs.toFixed(0)} ms` : '';
  process.stderr.write(`wgraft: ${name}, ${sizeBytes} bytes: ${outcome}, ${how}${took}\n`);
}
