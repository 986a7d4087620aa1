// wgraft ps: the live programs of this user.

import type { Command } from 'commander';
import type { Found } from '../../control/index.ts';
import { describe, showTime } from '../options.ts';
import type { Output } from '../output.ts';
import { table } from '../table.ts';

export function addPs(program: Command, output: Output): void {
  const command = program.command('ps').action(() => ps(output));
  describe(command, {
    summary: 'list live programs',
    examples: ['wgraft ps', 'wgraft ps --json'],
    notes: [
      'A program that is inside a long call does not answer and is listed as busy. Sockets of killed processes are removed.',
    ],
    exits: { 0: 'listed, even if there are none', 1: true },
  });
}

async function ps(output: Output): Promise<void> {
  const { discover } = await import('../../control/index.ts');
  const { folder, programs, removed } = await discover();
  for (const path of removed) output.note(`removed a stale socket, its process is gone: ${path}`);
  if (programs.length === 0) output.note(`no live program found in ${folder}`);
  const rows = programs.map((p) => [p.name, p.pid, state(output, p), age(p), versions(p), p.path]);
  const text =
    rows.length === 0 ? '' : await table(output, ['NAME', 'PID', 'STATE', 'UP', 'WGRAFT', 'SOCKET'], rows);
  output.result({ folder, programs: programs.map(fields), removed }, () => text);
}

function fields(p: Found): object {
  const { name, pid, path: socket, state } = p;
  switch (p.state) {
    case 'ready':
      return {
        name,
        pid,
        socket,
        state,
        wgraft: p.hello.wgraft,
        node: p.hello.node,
        started: p.hello.started,
      };
    case 'unusable':
      return { name, pid, socket, state, reason: p.reason };
    case 'busy':
      return { name, pid, socket, state };
  }
}

function state(output: Output, p: Found): string {
  if (p.state === 'ready') return p.state;
  return output.style(p.state === 'busy' ? 'waiting' : 'failed', p.state);
}

function age(p: Found): string {
  return p.state === 'ready' ? showTime(Date.now() - Date.parse(p.hello.started)) : '-';
}

function versions(p: Found): string {
  return p.state === 'ready' ? p.hello.wgraft : '-';
}
