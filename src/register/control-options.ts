// What the control socket of a registered process is called, and where it is.

import path from 'node:path';
import { defaultFolder, isControlName, socketPath } from '../control/socket-folder.ts';
import type { Config } from './config.ts';
import type { ControlOptions } from './connect.ts';
import { reasonFor, warn } from './warn.ts';

export function controlOptions(config: Config): ControlOptions {
  const folder = config.sockets ?? defaultFolder();
  const name = config.name ?? scriptName();
  return {
    name,
    folder,
    path: socketPath(folder, name, process.pid),
    onFailure: (cause) => warn(`the wgraft command cannot reach this process: ${reasonFor(cause)}`),
  };
}

/** After the script that runs: `server.mjs` is `server`, `app/index.js` and `app/main.js` are `app`. */
function scriptName(): string {
  const [, script = ''] = process.argv;
  const base = path.basename(script).replace(/\.[cm]?[jt]sx?$/, '');
  const name = base === 'index' || base === 'main' ? path.basename(path.dirname(script)) : base;
  const fit = name
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return isControlName(fit) ? fit : 'node';
}
