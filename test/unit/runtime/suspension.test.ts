// JSPI: an activation that is put aside is on no stack, and still must not meet two universes.

import { describe, expect, test } from 'vitest';
import { story } from '../../support/story.ts';

interface Jspi {
  readonly promising: (f: unknown) => (...args: number[]) => Promise<number>;
  readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
}

const kernel = `(module
  (import "env" "wait" (func $wait))
  (func $price (export "price") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $order (export "order") (param i32) (result i32)
    (i32.add (call $price (local.get 0)) (block (result i32) (call $wait) (call $price (local.get 0))))))`;

describe.runIf('promising' in WebAssembly)('an activation that waits for a promise', () => {
  // - two orders wait between two calls of $price
  // - a patch of $price must not come between them; it waits until both are done
  test('finishes in the universe that it began in', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    const waiting: (() => void)[] = [];
    const wait = new jspi.Suspending(() => new Promise((resolve) => waiting.push(resolve)));
    const app = await story(kernel, { env: { wait } });
    const order = jspi.promising(app.exports['order']);
    const patch = await app.patch(
      'p',
      'price',
      '(module (func (export "price") (param i32) (result i32) (i32.const 0)))',
    );
    const orders = [order(1), order(10)];
    app.log();
    const applied = app.patcher.apply(patch);
    await expect.poll(() => app.patcher.blockingNow().map((b) => b.functions)).toEqual([['(suspended)']]);
    for (const go of waiting.splice(0)) go();
    expect(await Promise.all(orders)).toEqual([4, 40]);
    expect((await applied).complete).toBe(true);
    const later = order(10);
    for (const go of waiting.splice(0)) go();
    expect(await later).toBe(0);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'apply p: starting',
      'instance 1 -> universe 1',
      'apply p: completing',
      'apply p: complete',
    ]);
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
