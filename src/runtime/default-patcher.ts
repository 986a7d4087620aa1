// The patcher that all code of this thread shares where it is given no other.

import { Patcher } from './patcher.ts';

export const defaultPatcher: Patcher = new Patcher();
