// Transitions that do not end by themselves, against a program under `wgraft run` whose loop is always active: a patch of
// that loop cannot be committed until the program ends.

import { beforeAll, describe, expect, test } from 'vitest';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { type Ended, type Running, type Sandbox, sandbox, transcript } from '../support/cli.ts';

let program: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
});

interface Scene extends AsyncDisposable {
  readonly box: Sandbox;
  readonly run: Running;
}

/** A program that runs and has answered once, so that its loop is active. */
async function scene(): Promise<Scene> {
  const box = await sandbox();
  await box.write('app.wasm', program.prepared);
  await box.write('fix.wgp', program.fix);
  await box.write('serve.wgp', program.serve);
  const run = box.start('run', 'app.wasm', '--name', 'api');
  await run.says('can be patched');
  run.write('a');
  await run.says('1\n');
  return { box, run, [Symbol.asyncDispose]: () => box[Symbol.asyncDispose]() };
}

async function golden(box: Sandbox, name: string, command: string): Promise<Ended> {
  const ended = await box.wgraft(...command.split(' '));
  const file = `golden/transitions/${name}.txt`;
  await expect(transcript(`wgraft ${command}`, ended, box)).toMatchFileSnapshot(file);
  return ended;
}

/** Starts to apply the patch that cannot be committed, and waits until all who listen have been told that its transition runs. */
async function applyStalling(box: Sandbox, ...more: string[]): Promise<Running> {
  const watch = box.start('status', '--watch', 'api');
  await watch.says('no patches');
  const apply = box.start('apply', 'serve.wgp', 'api', ...more);
  await watch.says('apply serve-loop: starting');
  return apply;
}

/** The number of answers so far, and what they were. */
const answers = (run: Running): string => run.output.stdout.replaceAll('\n', '');

describe('a program that never returns from _start', () => {
  test('is patched at its host calls, and reverted, with no answer lost', async () => {
    await using at = await scene();
    const { box, run } = at;
    expect((await golden(box, 'apply', 'apply fix.wgp')).code).toBe(0);
    run.write('aa');
    await expect.poll(() => answers(run), { timeout: 10_000 }).toBe('122');
    expect((await golden(box, 'revert', 'revert')).code).toBe(0);
    run.write('a');
    run.child.stdin?.end();
    expect(await run.ended).toMatchObject({ code: 7, stdout: '1\n2\n2\n1\n' });
  });
});

describe('a transition that cannot end', () => {
  // - apply waits for its time-out, says what blocks and ends with 5
  // - status, blocking and check tell the same; check tells stalled from in progress by age
  // - another patch is refused meanwhile
  // - revert takes it back
  test('is told by every command, and taken back', async () => {
    await using at = await scene();
    const { box, run } = at;
    expect((await golden(box, 'stalled', 'apply serve.wgp --timeout 2s')).code).toBe(5);
    expect((await golden(box, 'status', 'status')).code).toBe(0);
    expect((await golden(box, 'blocking', 'blocking')).code).toBe(0);
    expect((await golden(box, 'blocking-stack', 'blocking -v')).code).toBe(0);
    expect(await box.wgraft('check')).toEqual({ code: 1, signal: null, stdout: '', stderr: '' });
    expect((await box.wgraft('check', '--stalled-after', '1s')).code).toBe(5);
    expect((await golden(box, 'check-json', 'check --stalled-after 1s --json')).code).toBe(5);
    expect((await golden(box, 'second', 'apply fix.wgp')).code).toBe(1);
    expect((await golden(box, 'revert-stalled', 'revert')).code).toBe(0);
    expect((await box.wgraft('check')).code).toBe(0);
    run.write('a');
    await expect.poll(() => answers(run), { timeout: 10_000 }).toBe('11');
  });

  test('with --json the error holds who blocks', async () => {
    await using at = await scene();
    const { stdout, code } = await at.box.wgraft('apply', 'serve.wgp', '--timeout', '1s', '--json');
    expect(code).toBe(5);
    const { v, error } = JSON.parse(stdout);
    expect(v).toBe(1);
    expect(error).toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_STALLED',
      details: { program: 'api', patch: 'serve-loop', done: 0, total: 1, functions: ['serve'] },
      blocking: [{ program: 'api', instance: 1, functions: ['serve'], stack: ['_start', 'serve'] }],
    });
  });

  test('apply does not report a patch as live that somebody reverted meanwhile', async () => {
    await using at = await scene();
    const apply = await applyStalling(at.box);
    expect((await at.box.wgraft('revert', '-s', 'api')).code).toBe(0);
    const ended = await apply.ended;
    expect(transcript('wgraft apply serve.wgp api', ended, at.box)).toBe(
      [
        '$ wgraft apply serve.wgp api',
        '--- stderr',
        ...ended.stderr
          .split('\n')
          .filter((line) => line.includes('apply in api'))
          .map(hidePid),
        'wgraft: patch "serve-loop" is not on "api": the transition was reversed',
        '  hint: somebody reverted it while it was being applied; wgraft status shows what is applied',
        '  code: WGRAFT_ERR_TRANSITION_REVERSED',
        '--- exit 1',
        '',
      ].join('\n'),
    );
  });

  test('revert does not report a patch as off that somebody applied again meanwhile', async () => {
    await using at = await scene();
    const { box } = at;
    expect((await box.wgraft('apply', 'serve.wgp', '--model', 'immediate')).code).toBe(0);
    const watch = box.start('status', '--watch', 'api');
    await watch.says('serve-loop');
    const revert = box.start('revert', 'serve-loop', 'api', '--json');
    await watch.says('revert serve-loop: starting');
    expect((await box.wgraft('apply', 'serve.wgp')).code).toBe(0);
    const { code, stdout } = await revert.ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toEqual({
      code: 'WGRAFT_ERR_TRANSITION_REVERSED',
      message: 'patch "serve-loop" is still on "api": the transition was reversed',
      hint: 'somebody applied it again while it was being reverted; wgraft status shows what is applied',
      details: { program: 'api', patch: 'serve-loop', doing: 'revert' },
    });
  });
});

describe('a transition that cannot end, and is not left running', () => {
  // - the deadline passes while the program is asleep in its read
  // - the patch is taken back by itself; apply says who was in the way
  test('reverses by itself at the deadline', async () => {
    await using at = await scene();
    const { box, run } = at;
    expect((await golden(box, 'expired', 'apply serve.wgp --deadline 300ms')).code).toBe(5);
    expect((await box.wgraft('check')).code).toBe(0);
    run.write('a');
    await expect.poll(() => answers(run), { timeout: 10_000 }).toBe('11');
  });

  test('gives up after five attempts where all have to switch at once', async () => {
    await using at = await scene();
    const { stdout, code } = await at.box.wgraft('apply', 'serve.wgp', '--model', 'stop-machine', '--json');
    expect(code).toBe(5);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_CONFLICTS',
      details: { attempts: 5, conflicts: [{ instance: 1, functions: ['serve'] }] },
    });
    expect((await at.box.wgraft('check')).code).toBe(0);
  });

  // - force alone says who would be forced; force --yes does it; status shows it from then on
  // - the loop that was active goes on in the old code until it returns
  test('is forced', async () => {
    await using at = await scene();
    const { box, run } = at;
    expect((await golden(box, 'force-none', 'force --yes')).code).toBe(3);
    const apply = await applyStalling(box);
    expect((await golden(box, 'force-unconfirmed', 'force')).code).toBe(2);
    expect((await golden(box, 'force', 'force --yes')).code).toBe(0);
    expect((await apply.ended).code).toBe(0);
    expect((await golden(box, 'status-forced', 'status')).code).toBe(0);
    run.write('a');
    await expect.poll(() => answers(run), { timeout: 10_000 }).toBe('11');
  });
});

const hidePid = (line: string): string => line.replace(/pid \d+/, 'pid PID');

describe('Ctrl-C', () => {
  test('stops the waiting, leaves the transition running and says so', async () => {
    await using at = await scene();
    const { box, run } = at;
    const apply = await applyStalling(box);
    const ended = await apply.kill('SIGINT');
    expect({ code: ended.code, signal: ended.signal, stdout: ended.stdout }).toEqual({
      code: 130,
      signal: null,
      stdout: '',
    });
    expect(ended.stderr).toContain(
      [
        `wgraft: stopped waiting for the apply: the transition of serve-loop goes on in api (pid ${run.pid}), 0 of 1 instances have switched`,
        '  hint: watch with `wgraft status -w`, undo with `wgraft revert`',
        '  code: WGRAFT_ERR_INTERRUPTED',
        '',
      ].join('\n'),
    );
    expect((await box.wgraft('check')).code).toBe(1);
    expect((await box.wgraft('revert')).code).toBe(0);
  });

  test('twice ends at once', async () => {
    await using at = await scene();
    const apply = await applyStalling(at.box);
    // Now the last look at the program, which Ctrl-C takes, gets no answer for a second.
    at.run.child.kill('SIGSTOP');
    // Two that come before the process looks are one, so they come until it has ended.
    const again = setInterval(() => apply.child.kill('SIGINT'), 50);
    const { code, signal, stderr } = await apply.ended;
    clearInterval(again);
    expect({ code, signal }).toEqual({ code: 130, signal: null });
    expect(stderr).not.toContain('stopped waiting');
  });

  test('says so where the program cannot tell what it does', async () => {
    await using at = await scene();
    const apply = await applyStalling(at.box);
    at.run.child.kill('SIGSTOP');
    const { code, stderr } = await apply.kill('SIGINT');
    expect(code).toBe(130);
    expect(stderr).toContain(
      `stopped waiting for the apply: api (pid ${at.run.pid}) does not answer; if the request reached it, it will still carry it out`,
    );
  });
});

describe('a program that dies during apply', () => {
  test('is reported with what is known', async () => {
    await using at = await scene();
    const { box, run } = at;
    const apply = await applyStalling(box);
    await run.kill('SIGKILL');
    const ended = await apply.ended;
    expect(ended.code).toBe(6);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toContain(
      [
        `wgraft: api (pid ${run.pid}) went away during apply: the transition was running, 0 instances had switched`,
        '  hint: see whether it still runs with `wgraft ps`; what was applied to a program ends with it',
        '  code: WGRAFT_ERR_CONTROL_LOST',
        '',
      ].join('\n'),
    );
    expect((await box.wgraft('ps')).stderr).toContain('removed a stale socket');
  });

  test('as JSON', async () => {
    await using at = await scene();
    const apply = await applyStalling(at.box, '--json');
    await at.run.kill('SIGKILL');
    const { code, stdout, stderr } = await apply.ended;
    expect({ code, stderr }).toEqual({ code: 6, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      v: 1,
      error: {
        code: 'WGRAFT_ERR_CONTROL_LOST',
        message: `api (pid ${at.run.pid}) went away during apply: the transition was running, 0 instances had switched`,
        hint: 'see whether it still runs with `wgraft ps`; what was applied to a program ends with it',
        details: {
          target: `api (pid ${at.run.pid})`,
          during: 'apply',
          known: 'the transition was running, 0 instances had switched',
        },
      },
    });
  });
});

describe('status --watch', () => {
  test('tells what happens, a line each, until the program ends', async () => {
    await using at = await scene();
    const { box, run } = at;
    const watch = box.start('status', '--watch');
    const watchJson = box.start('status', '-w', '--json');
    await watch.says('no patches');
    await watchJson.says('"programs"');
    expect((await box.wgraft('apply', 'fix.wgp')).code).toBe(0);
    expect((await box.wgraft('revert')).code).toBe(0);
    await watch.says('revert fix: complete');
    await watchJson.says('"direction":"revert","step":"complete"');
    run.child.stdin?.end();
    const [text, json] = [await watch.ended, await watchJson.ended];
    expect([text.code, json.code]).toEqual([6, 6]);
    const steps = text.stdout.split('\n').flatMap((line) => /^[\d:.]+ {3}(.*)$/.exec(line)?.[1] ?? []);
    expect(steps.slice(0, 10)).toEqual([
      'api   apply fix: initializing',
      'api   apply fix: starting',
      'api   instance 1 switched to universe 1',
      'api   apply fix: completing',
      'api   apply fix: complete',
      'api   revert fix: initializing',
      'api   revert fix: starting',
      'api   instance 1 switched to universe 2',
      'api   revert fix: completing',
      'api   revert fix: complete',
    ]);
    const documents = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(documents.every((d) => d.v === 1)).toBe(true);
    expect(documents[0].programs).toHaveLength(1);
    expect(documents.slice(1, 11).map((d) => d.event.type)).toEqual([
      'transition',
      'transition',
      'migrated',
      'transition',
      'transition',
      'transition',
      'transition',
      'migrated',
      'transition',
      'transition',
    ]);
    expect(documents.at(-1).error.code).toBe('WGRAFT_ERR_CONTROL_LOST');
  });
});
