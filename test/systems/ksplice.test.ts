// Ksplice (J. Arnold, M. F. Kaashoek, "Ksplice: automatic rebootless kernel updates", EuroSys 2009).
//
// What it could do: make a hot update from a source patch by building the kernel twice and comparing the objects; prove that the
// running code is the code that the update was made from (run-pre matching), to the byte; stop the machine, look at the stacks of
// all threads, and switch all of them at once or none: after five attempts, a second apart, it gives up and lists who was in the
// way. Hooks run around that (pre_apply, post_apply, pre_reverse, post_reverse), and `ksplice-undo` takes the update back.
//
// Here: `buildPatchFromBuilds`, the hashes in slot map and patch, the model `stop-machine`, callbacks, `revert`. The fix is that of
// CVE-2008-0600 in small: vmsplice took a user's address and length without access_ok, and so gave out the kernel's memory.

import { beforeAll, describe, expect, test } from 'vitest';
import { buildPatchFromBuilds } from '../../src/build/index.ts';
import { type Story, story } from '../support/story.ts';
import { type Builds, compileDiff, everySlot, macros, sourcesOf } from '../support/two-builds.ts';

const kernel = `${macros}
__attribute__((import_module("env"), import_name("mmap_sem"))) void down_read_mmap_sem(void);
static struct { unsigned char user[16], secret[16]; } machine = { "user data", "kernel secret" };
NOINLINE static int access_ok(unsigned base, unsigned length) { return base <= 16 && length <= 16 - base; }
NOINLINE static int get_iovec_page_array(unsigned base, unsigned length) {
  down_read_mmap_sem();
  if (length > 64) return -22; // EINVAL
+  if (!access_ok(base, length)) return -14; // EFAULT
  return machine.user[base + length - 1];
}
EXPORT(vmsplice) int vmsplice(unsigned base, unsigned length) { return get_iovec_page_array(base, length); }
EXPORT(check) int check(unsigned base, unsigned length) { return access_ok(base, length); }
EXPORT(write) int write_user(unsigned at, unsigned char byte) { return access_ok(at, 1) ? machine.user[at] = byte : -14; }
`;

/** The exploit: the last byte of a range that reaches 4 bytes into what is the kernel's. */
const exploit = [0, 20] as const;
const leaked = 'kernel secret'.charCodeAt(3);

const hooks = `(module
  (func (export "__wgraft_pre_patch") (result i32) (i32.const 0))
  (func (export "__wgraft_post_patch"))
  (func (export "__wgraft_pre_unpatch"))
  (func (export "__wgraft_post_unpatch")))`;

let builds: Builds;
beforeAll(async () => {
  builds = await compileDiff(kernel);
});

async function update(callbacks?: string): Promise<Uint8Array> {
  const source =
    callbacks === undefined
      ? {}
      : { callbacks: { kind: 'wat', text: callbacks, file: 'hooks.wat' } as const };
  const built = await buildPatchFromBuilds({ ...builds, ...everySlot, ...source, name: 'cve-2008-0600' });
  expect(built.report.functions.map((f) => f.name)).toEqual(['get_iovec_page_array']);
  return built.bytes;
}

const boot = (wasm: Uint8Array, down: WebAssembly.ImportValue = () => {}): Promise<Story> =>
  story(wasm, { env: { mmap_sem: down } });

const of = (instances: readonly number[], what: string): string[] =>
  instances.map((i) => `instance ${i} ${what}`);

// - the exploit works; the update is applied to the running kernel: the exploit fails, honest use does not; undo: it works again
test('a security fix from two builds closes the hole in the running kernel, and undo opens it again', async () => {
  const app = await boot(builds.old);
  const patch = await update();
  app.log();
  const look = (): unknown[] => [app.exports['vmsplice'](...exploit), app.exports['vmsplice'](0, 1)];
  app.exports['write'](0, 85);
  const seen = [look()];
  await app.patcher.apply(patch, { model: 'stop-machine' });
  seen.push(look());
  await app.patcher.revert('cve-2008-0600', { model: 'stop-machine' });
  seen.push(look());
  expect(seen).toEqual([
    [leaked, 85],
    [-14, 85],
    [leaked, 85],
  ]);
  expect(app.log()).toEqual([
    'apply cve-2008-0600: initializing',
    'apply cve-2008-0600: starting',
    'instance 1 -> universe 1',
    'apply cve-2008-0600: completing',
    'apply cve-2008-0600: complete',
    'revert cve-2008-0600: initializing',
    'revert cve-2008-0600: starting',
    'instance 1 -> universe 2',
    'revert cve-2008-0600: completing',
    'revert cve-2008-0600: complete',
  ]);
});

describe('run-pre matching', () => {
  // - the running kernel was built from a source that differs by one constant in the function that the update replaces
  test('refuses one differing byte, and names the function', async () => {
    const [source] = sourcesOf(kernel);
    const other = await compileDiff(source.replace('return -22', 'return -23'));
    const differing = builds.old.filter((byte, i) => byte !== other.old[i]);
    expect([other.old.length, differing.length]).toEqual([builds.old.length, 1]);
    const app = await boot(other.old);
    const patch = await update();
    app.log();
    await expect(app.patcher.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_BUILD_ID_MISMATCH',
      details: { functions: ['get_iovec_page_array'] },
    });
    expect([app.log(), app.patcher.statusNow().programs[0]?.patches]).toEqual([[], []]);
  });
});

describe.runIf('promising' in WebAssembly)('stop_machine', () => {
  const begun = [
    'apply cve-2008-0600: initializing',
    ...of([1, 2], 'cve-2008-0600: prePatch done'),
    'apply cve-2008-0600: starting',
  ];

  // - two instances; the first sleeps in the function that is replaced, on its semaphore
  // - five attempts find it there: aborted with the list of conflicts, the hooks undone, nothing ever switched, not in the second
  //   either
  // - it has left: the update goes in, all at once, with its hooks; and undo, with the reverse ones
  test('switches all threads or none: five attempts, then the list of who was in the way', async () => {
    const jspi = WebAssembly as unknown as {
      promising: (f: unknown) => (...args: number[]) => Promise<number>;
      Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
    };
    let up = (): void => {};
    const held = new jspi.Suspending(() => new Promise((resolve) => (up = resolve)));
    const app = await boot(builds.old, held);
    const two = await app.another({ env: { mmap_sem: () => {} } });
    const patch = await update(hooks);
    app.log();
    const sleeping = jspi.promising(app.exports['vmsplice'])(...exploit);
    await expect(app.patcher.apply(patch, { model: 'stop-machine', retryMs: 0 })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_CONFLICTS',
      details: { attempts: 5, conflicts: [{ instance: 1, functions: ['get_iovec_page_array'] }] },
    });
    expect(two.exports['vmsplice'](...exploit)).toBe(leaked);
    expect(app.log()).toEqual([
      ...begun,
      'apply cve-2008-0600: reversing',
      'revert cve-2008-0600: completing',
      ...of([1, 2], 'cve-2008-0600: postUnpatch done'),
      'revert cve-2008-0600: complete',
    ]);

    up();
    expect(await sleeping).toBe(leaked); // it ends as it began
    await app.patcher.apply(patch, { model: 'stop-machine' });
    expect(two.exports['vmsplice'](...exploit)).toBe(-14);
    await app.patcher.revert(undefined, { model: 'stop-machine' });
    expect(two.exports['vmsplice'](...exploit)).toBe(leaked);
    expect(app.log()).toEqual([
      ...begun,
      ...of([1, 2], '-> universe 3'),
      'apply cve-2008-0600: completing',
      ...of([1, 2], 'cve-2008-0600: postPatch done'),
      'apply cve-2008-0600: complete',
      'revert cve-2008-0600: initializing',
      ...of([1, 2], 'cve-2008-0600: preUnpatch done'),
      'revert cve-2008-0600: starting',
      ...of([1, 2], '-> universe 4'),
      'revert cve-2008-0600: completing',
      ...of([1, 2], 'cve-2008-0600: postUnpatch done'),
      'revert cve-2008-0600: complete',
    ]);
  });
});

// - pre_apply of the update says no (12, as ENOMEM): nothing is switched, and nothing has to be undone
test('a pre_apply hook that fails aborts the update', async () => {
  const app = await boot(builds.old);
  const patch = await update(hooks.replace('(i32.const 0)', '(i32.const -12)'));
  app.log();
  await expect(app.patcher.apply(patch, { model: 'stop-machine' })).rejects.toMatchObject({
    code: 'WGRAFT_ERR_PATCH_REFUSED',
    details: { reason: 'it returned -12' },
  });
  expect(app.exports['vmsplice'](...exploit)).toBe(leaked);
  expect(app.log()).toEqual([
    'apply cve-2008-0600: initializing',
    'instance 1 cve-2008-0600: prePatch refused',
    'apply cve-2008-0600: cancelled',
  ]);
});
