// A migration point is a host call: the one moment at which a program that never returns can be looked at and switched.
// Every import is wrapped so that the bell is looked at before and after it (one atomic load each). Arguments,
// results (i64 as BigInt) and exceptions go through unchanged.

import type { Bell } from './bell.ts';

/** The functions of one import module, by name. */
export type HostFunctions = Readonly<Record<string, (...args: never[]) => unknown>>;

type Host = (...args: unknown[]) => unknown;

/** @param visit lets the patcher work; must not throw, or it would throw into the program. */
export function withMigrationPoints(host: HostFunctions, bell: Bell, visit: () => void): HostFunctions {
  return Object.fromEntries(Object.entries(host).map(([name, f]) => [name, wrap(f as Host, bell, visit)]));
}

function wrap(host: Host, bell: Bell, visit: () => void): Host {
  return (...args) => {
    if (bell.called) visit();
    const result = host(...args);
    if (bell.called) visit();
    return result;
  };
}
