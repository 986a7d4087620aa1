// A plugin host.

import createPlugin from '@extism/extism';

export async function start(file) {
  const plugin = await createPlugin(file, { useWasi: false });
  return async () => (await plugin.call('count')).text();
}
