// A patch with livepatch's four callbacks, which the patcher's log shows, and instances whose pre_patch refuses.

import { type Pause, pausing, type Story, story } from './quick-story.ts';

/** `work` is replaced; `busy` too, and stays on the stack as long as the host likes; `status` is what pre_patch answers. */
const kernel = `(module
  (import "env" "pause" (func $pause))
  (import "env" "status" (func $status (result i32)))
  (func $work (export "work") (result i32) (i32.const 1))
  (func $busy (export "busy") (call $pause)))`;

const patch = (value: number): string => `(module
  (import "target" "status" (func $status (result i32)))
  (import "target" "pause" (func $pause))
  (func (export "work") (result i32) (i32.const ${value}))
  (func (export "busy") (call $pause))
  (func (export "__wgraft_pre_patch") (result i32) (call $status))
  (func (export "__wgraft_post_patch"))
  (func (export "__wgraft_pre_unpatch"))
  (func (export "__wgraft_post_unpatch")))`;

export interface Watched {
  readonly app: Story;
  /** Of the first instance and of all that `arrive`. */
  readonly pause: Pause;
  /** A patch that lets `work` return `value`. */
  patch(name: string, value: number, cumulative?: boolean): Promise<Uint8Array>;
  /** A module arrives: livepatch's "coming". @throws what its pre_patch makes of it */
  arrive(status?: number): WebAssembly.Instance;
  /** A module leaves: livepatch's "going". */
  leave(instance: WebAssembly.Instance): void;
}

/** `suspending` is an import that takes the place of the pause. */
export async function watched(status = 0, suspending?: WebAssembly.ImportValue): Promise<Watched> {
  const pause = pausing();
  const imports = (answer: number): WebAssembly.Imports => ({
    env: { pause: suspending ?? (() => pause.act()), status: () => answer },
  });
  const app = await story(kernel, imports(status));
  app.log();
  return {
    app,
    pause,
    patch: (name, value, cumulative = false) =>
      app.patch(name, ['work', 'busy'], patch(value), { cumulative }),
    arrive(answer = 0) {
      const own = imports(answer);
      const instance = new WebAssembly.Instance(app.module, own);
      app.patcher.adopt(instance, app.module, own);
      return instance;
    },
    leave: (instance) => app.patcher.release(instance),
  };
}

export function work(instance: WebAssembly.Instance): unknown {
  const f = instance.exports['work'];
  return typeof f === 'function' ? f() : undefined;
}
