// What a worker loads that would have started without the hook (workers.ts). Its program sees the options that it was given.

import { fileURLToPath } from 'node:url';
import './index.ts';

const [option, file] = process.execArgv;
if (option === '--require' && file === fileURLToPath(import.meta.url)) process.execArgv.splice(0, 2);
