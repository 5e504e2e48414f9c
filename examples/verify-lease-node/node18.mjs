// Node 18 has Web Crypto, but not under the name that jose looks for. Import this before jose.

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
