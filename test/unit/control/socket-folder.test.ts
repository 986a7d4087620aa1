// Where sockets are, if nobody says where.

import { userInfo } from 'node:os';
import { afterEach, expect, test, vi } from 'vitest';
import { defaultFolder } from '../../../src/control/index.ts';

afterEach(() => void vi.unstubAllEnvs());

const { uid } = userInfo();

test.each([
  ['$WGRAFT_SOCKET_DIR wins', '/own', '/run/user/7', '/own'],
  ['in $XDG_RUNTIME_DIR, a folder of its own', undefined, '/run/user/7', '/run/user/7/wgraft'],
  ['else one for each user', undefined, undefined, `/tmp/wgraft-${uid}`],
  ['an empty variable is none', '', '', `/tmp/wgraft-${uid}`],
])('%s', (_, own, runtime, folder) => {
  vi.stubEnv('WGRAFT_SOCKET_DIR', own);
  vi.stubEnv('XDG_RUNTIME_DIR', runtime);
  expect(defaultFolder()).toBe(folder);
});
