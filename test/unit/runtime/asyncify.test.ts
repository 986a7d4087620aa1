// Asyncify: a stack that the program has unwound lies in its memory, and only the very code that unwound it can rewind it.

import { describe, expect, test } from 'vitest';
import { type Story, smooth, story } from '../../support/quick-story.ts';
import { wat } from '../../support/wat.ts';

/** `order` waits twice in the host, and asks for the price after that. */
const kernel = `(module
  (import "env" "sleep" (func $sleep))
  (memory (export "memory") 1)
  (func $price (export "price") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $wait (call $sleep))
  (func $order (export "order") (param i32) (result i32)
    (call $wait) (call $wait) (call $price (local.get 0))))`;

const priceless = '(module (func (export "price") (param i32) (result i32) (i32.const 0)))';
const orderless = '(module (func (export "order") (param i32) (result i32) (i32.const -1)))';

interface Orders {
  readonly app: Story;
  /** Begins an order, whose stack is put aside at this address. */
  begin(n: number, data: number): void;
  /** Rewinds it until it waits again (undefined) or is done. */
  goOn(n: number, data: number): number | undefined;
  /** What the host does when a sleeper wakes; by default nothing. */
  onWake: () => void;
}

/** The glue that Emscripten would make: `sleep` unwinds, and ends the rewinding when it is called again. */
async function ordering(): Promise<Orders> {
  let current = 0;
  const sleep = (): void => {
    const { asyncify_get_state, asyncify_start_unwind, asyncify_stop_rewind } = app.exports;
    if (asyncify_get_state() === 0) return asyncify_start_unwind(current);
    orders.onWake();
    asyncify_stop_rewind();
  };
  const app = await story(wat(kernel, ['asyncify']), { env: { sleep } });
  const run = (n: number, data: number): number | undefined => {
    current = data;
    const result = app.exports['order'](n);
    if (app.exports['asyncify_get_state']() === 0) return result;
    app.exports['asyncify_stop_unwind']();
    return undefined;
  };
  const orders: Orders = {
    app,
    begin(n, data) {
      new Uint32Array(app.exports['memory'].buffer, data).set([data + 8, data + 512]);
      expect(run(n, data)).toBe(undefined);
    },
    goOn(n, data) {
      app.exports['asyncify_start_rewind'](data);
      return run(n, data);
    },
    onWake() {},
  };
  return orders;
}

const blocking = (app: Story): unknown =>
  app.patcher.blockingNow().map(({ state, functions, stack }) => ({ state, functions, stack }));

describe('a stack that was unwound', () => {
  // - two orders are unwound in the middle of $order, and one of them once more after it went on
  // - a patch of $order waits for both: they are rewound in the old code
  // - after that the new code runs
  test('inside a changed function is rewound in the code that unwound it', async () => {
    const { app, begin, goOn } = await ordering();
    const patch = await app.patch('o', 'order', orderless);
    begin(1, 1024);
    begin(10, 2048);
    app.log();
    const applied = app.patcher.apply(patch);
    const waiting = { state: 'unwound', functions: ['order'], stack: ['order', 'wait'] };
    await expect.poll(() => blocking(app)).toEqual([waiting]);
    expect([goOn(1, 1024), goOn(10, 2048), goOn(1, 1024)]).toEqual([undefined, undefined, 2]);
    await expect.poll(() => blocking(app)).toEqual([waiting]);
    expect(app.states()).toEqual([0]);
    expect(goOn(10, 2048)).toBe(20);
    expect((await applied).complete).toBe(true);
    expect(app.exports['order'](10)).toBe(-1);
    expect(app.log()).toEqual(smooth('apply', 'o', 1));
  });

  // - an order is unwound; $price, which is patched, is not in its stack
  // - hybrid switches now, and the order finds the new $price; leave-kernel waits until it is done
  test.each([
    ['hybrid', 0],
    ['leave-kernel', 2],
  ] as const)('inside unchanged functions: %s', async (model, total) => {
    const { app, begin, goOn } = await ordering();
    const patch = await app.patch('p', 'price', priceless);
    begin(1, 1024);
    const applied = app.patcher.apply(patch, { model });
    if (model === 'hybrid') await applied;
    else
      await expect
        .poll(() => blocking(app))
        .toEqual([{ state: 'unwound', functions: ['wait', 'order'], stack: ['order', 'wait'] }]);
    expect([goOn(1, 1024), goOn(1, 1024)]).toEqual([undefined, total]);
    expect((await applied).complete).toBe(true);
    expect(app.exports['price'](1)).toBe(0);
  });

  // - the patch of $order is on; an order is unwound in its new code
  // - the revert waits until that is rewound
  test('inside a patch keeps the patch from coming off', async () => {
    const { app, begin, goOn } = await ordering();
    // It does nothing after `sleep` and has nothing to keep, so that it can be unwound as it is.
    const sleeping = await app.patch(
      'o',
      'wait',
      '(module (import "target" "#0" (func $sleep)) (func (export "wait") (call $sleep)))',
    );
    await app.patcher.apply(sleeping);
    begin(1, 1024);
    const reverted = app.patcher.revert('o');
    await expect
      .poll(() => blocking(app))
      .toEqual([{ state: 'unwound', functions: ['o:wait'], stack: ['order', 'o:wait'] }]);
    expect([goOn(1, 1024), goOn(1, 1024)]).toEqual([undefined, 2]);
    expect((await reverted).complete).toBe(true);
  });

  // - the host throws while the stack is being rewound: what was unwound is gone for good
  // - nothing is left that a patch would wait for
  test('and whose rewinding fails, is no longer waited for', async () => {
    const orders = await ordering();
    const { app, begin, goOn } = orders;
    begin(1, 1024);
    orders.onWake = () => {
      throw new Error('from the host');
    };
    expect(() => goOn(1, 1024)).toThrow('from the host');
    expect((await app.patcher.apply(await app.patch('o', 'order', orderless))).complete).toBe(true);
    expect(app.exports['order'](1)).toBe(-1);
  });

  // - an order is unwound and forgotten; a patch of $order would wait for ever
  // - it is forced, and the program marked
  test('and never rewound, is left behind by force', async () => {
    const { app, begin } = await ordering();
    const patch = await app.patch('o', 'order', orderless);
    begin(1, 1024);
    app.log();
    app.patcher.beginApply(patch);
    await expect.poll(() => blocking(app)).toHaveLength(1);
    await app.patcher.force();
    expect(app.exports['order'](1)).toBe(-1);
    expect(app.patcher.statusNow().programs[0]?.forced).toBe(true);
    expect(app.log()).toEqual([
      'apply o: initializing',
      'apply o: starting',
      'apply o: forced',
      'instance 1 -> universe 1',
      'apply o: completing',
      'apply o: complete',
    ]);
  });
});
