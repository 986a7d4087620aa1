// JSPI: an activation that is put aside is on no stack, and still must not meet two universes.

import { describe, expect, test } from 'vitest';
import { type Story, story } from '../../support/story.ts';

interface Jspi {
  readonly promising: (f: unknown) => (...args: number[]) => Promise<number>;
  readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
}

const kernel = `(module
  (import "env" "wait" (func $wait))
  (func $price (export "price") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $order (export "order") (param i32) (result i32)
    (i32.add (call $price (local.get 0)) (block (result i32) (call $wait) (call $price (local.get 0))))))`;

/** The engine's own class behind the one that a patcher tracks. */
function untracked(Suspending: Jspi['Suspending']): Jspi['Suspending'] {
  return Suspending.prototype.constructor as Jspi['Suspending'];
}

describe.runIf('promising' in WebAssembly)('an activation that waits for a promise', () => {
  const priceless = '(module (func (export "price") (param i32) (result i32) (i32.const 0)))';
  const orderless = '(module (func (export "order") (param i32) (result i32) (i32.const -1)))';

  async function ordering(): Promise<{
    app: Story;
    order: (n: number) => Promise<number>;
    goOn: () => void;
  }> {
    const jspi = WebAssembly as unknown as Jspi;
    const waiting: (() => void)[] = [];
    const wait = new jspi.Suspending(() => new Promise((resolve) => waiting.push(resolve)));
    const app = await story(kernel, { env: { wait } });
    const goOn = (): void => {
      for (const go of waiting.splice(0)) go();
    };
    return { app, order: jspi.promising(app.exports['order']), goOn };
  }

  // - two orders wait inside $order, several at once in one instance
  // - a patch of $order must not come under them; it waits until both are done
  test('inside a changed function ends in the universe that it began in', async () => {
    const { app, order, goOn } = await ordering();
    const patch = await app.patch('o', 'order', orderless);
    const orders = [order(1), order(10)];
    app.log();
    const applied = app.patcher.apply(patch);
    await expect
      .poll(() => app.patcher.blockingNow())
      .toMatchObject([{ state: 'suspended', functions: ['order'], stack: ['order'] }]);
    goOn();
    expect(await Promise.all(orders)).toEqual([4, 40]);
    expect((await applied).complete).toBe(true);
    expect(await order(10)).toBe(-1);
    expect(app.log()).toEqual([
      'apply o: initializing',
      'apply o: starting',
      'instance 1 -> universe 1',
      'apply o: completing',
      'apply o: complete',
    ]);
  });

  // - an order waits inside $order; $price, which is patched, is not active
  // - hybrid (leave-set) switches now: the order's second call finds the new $price
  // - leave-kernel waits until the order is done
  test.each([
    ['hybrid', 2],
    ['leave-kernel', 4],
  ] as const)('inside an unchanged function: %s', async (model, total) => {
    const { app, order, goOn } = await ordering();
    const patch = await app.patch('p', 'price', priceless);
    const pending = order(1);
    const applied = app.patcher.apply(patch, { model });
    const state = (): number | undefined => app.patcher.statusNow().programs[0]?.instances[0]?.state;
    if (model === 'hybrid') await applied;
    else
      await expect
        .poll(() => [state(), app.patcher.blockingNow().map((b) => b.functions)])
        .toEqual([0, [['order']]]);
    goOn();
    expect(await pending).toBe(total);
    expect((await applied).complete).toBe(true);
    const later = order(10);
    goOn();
    expect(await later).toBe(0);
  });

  // - the host made its Suspending before there was a patcher: what is under way is only counted
  test('that was never written down may be in any function', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    const Original = untracked(jspi.Suspending);
    const waiting: (() => void)[] = [];
    const wait = new Original(() => new Promise((resolve) => waiting.push(resolve)));
    const app = await story(kernel, { env: { wait } });
    const pending = jspi.promising(app.exports['order'])(1);
    const applied = app.patcher.apply(await app.patch('p', 'price', priceless));
    await expect
      .poll(() => app.patcher.blockingNow())
      .toMatchObject([{ state: 'unseen', functions: [], stack: [] }]);
    for (const go of waiting) go();
    expect(await pending).toBe(4);
    expect((await applied).complete).toBe(true);
  });

  // - the first instance's $call is left to the host, which makes an order in the second one, which waits
  // - engines show the stack that waits on top of the one that called it; that one goes on, and ends
  test('of another instance does not keep its caller waiting', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    const waiting: (() => void)[] = [];
    const wait = new jspi.Suspending(() => new Promise((resolve) => waiting.push(resolve)));
    const host = { call: (): void => {} };
    const calling = kernel
      .replace('(module', '(module (import "env" "host" (func $host))')
      .replace(/\)$/, '(func (export "call") (call $host)))');
    const app = await story(calling, { env: { wait, host: () => host.call() } });
    const two = await app.another();
    let order: Promise<number> = Promise.resolve(0);
    host.call = () => {
      order = jspi.promising(two.exports['order'])(1);
    };
    app.exports['call']();
    const applied = app.patcher.apply(await app.patch('p', 'price', priceless), { model: 'leave-kernel' });
    await expect.poll(() => app.patcher.blockingNow().map((b) => b.instance)).toEqual([2]);
    for (const go of waiting) go();
    expect(await order).toBe(4);
    expect((await applied).complete).toBe(true);
  });

  test('that fails leaves nothing behind', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    const wait = new jspi.Suspending(() => Promise.reject(new Error('from the host')));
    const app = await story(kernel, { env: { wait } });
    await expect(jspi.promising(app.exports['order'])(1)).rejects.toThrow('from the host');
    const patch = await app.patch(
      'p',
      'price',
      '(module (func (export "price") (param i32) (result i32) (i32.const 0)))',
    );
    expect((await app.patcher.apply(patch)).complete).toBe(true);
  });
});
