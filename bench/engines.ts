// The releases of Node.js that figures are given for: those that the tests run on too, as devDependencies.

import { fileURLToPath } from 'node:url';

const packages = { 22: 'node22', 24: 'node24', 26: 'node' } as const;
export type Release = keyof typeof packages;

export const releases: readonly Release[] = [26, 24, 22];

export function nodeOf(release: Release): string {
  return fileURLToPath(new URL(`../node_modules/${packages[release]}/bin/node`, import.meta.url));
}
