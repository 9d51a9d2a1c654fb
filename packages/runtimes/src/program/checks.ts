/** All checks, in the order of the table. */
import type { Check } from "./Check.js"
import * as client from "./client.js"
import * as registry from "./registry.js"

export const checks: ReadonlyArray<Check> = [...client.checks, ...registry.checks]
