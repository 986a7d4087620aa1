// A story about one program: a kernel in WAT, prepared with a slot everywhere, an instance of it, and patches by hand.
// Every event of its patcher is written down; tests compare the whole log.

import { buildPatch } from '../../src/build/index.ts';
import { type Instantiated, instantiate } from '../../src/host/index.ts';
import { type PrepareOptions, prepare } from '../../src/prepare/index.ts';
import { Patcher, type PatcherEvent } from '../../src/runtime/index.ts';
import { wat } from './wat.ts';

// biome-ignore lint/suspicious/noExplicitAny: exports of a fixture, whose types the WAT beside the test says
type Exports = Record<string, any>;

export interface Story {
  readonly patcher: Patcher;
  readonly prepared: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
  readonly instance: WebAssembly.Instance;
  readonly exports: Exports;
  /** One line an event, oldest first; emptied by reading. */
  log(): string[];
  /** Builds a patch in WAT that replaces the named functions. */
  patch(name: string, functions: string | readonly string[], text: string): Promise<Uint8Array>;
  /** Another instance of the program. */
  another(imports?: WebAssembly.Imports): Promise<Instantiated & { readonly exports: Exports }>;
}

export async function story(
  text: string,
  imports: WebAssembly.Imports = {},
  options: PrepareOptions = { slots: 'all' },
): Promise<Story> {
  const { bytes: prepared } = await prepare(wat(text), options);
  const patcher = new Patcher();
  const events: string[] = [];
  patcher.subscribe((event) => events.push(line(event)));
  const first = await instantiate(prepared, imports, { name: 'app', patcher });
  return {
    patcher,
    prepared,
    module: first.module,
    instance: first.instance,
    exports: first.instance.exports,
    log: () => events.splice(0),
    async patch(name, functions, patchText) {
      const source = { kind: 'wat', text: patchText, file: `${name}.wat` } as const;
      const [one, ...more] = typeof functions === 'string' ? [functions] : functions;
      const replacements = [one ?? '', ...more].map((f) => ({ function: f, source }));
      return (await buildPatch({ target: prepared, replacements, name })).bytes;
    },
    async another(own = imports) {
      const made = await instantiate(first.module, own, { patcher });
      return { ...made, exports: made.instance.exports };
    },
  };
}

function line(event: PatcherEvent): string {
  switch (event.type) {
    case 'instance':
      return `instance ${event.instance} ${event.change}`;
    case 'transition':
      return `${event.direction} ${event.patch}: ${event.step}`;
    case 'migrated':
      return (
        `instance ${event.instance} -> universe ${event.universe}` +
        (event.safePoint === undefined ? '' : ` at ${event.safePoint}`)
      );
    case 'callback':
      return `instance ${event.instance} ${event.patch}: ${event.callback} ${event.outcome}`;
  }
}
