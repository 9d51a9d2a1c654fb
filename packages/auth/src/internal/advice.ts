import type { Credential } from "../Credential.js"
import { missing } from "../Credentials.js"

/** Returns what a user can do if an origin refused a credential. */
export const advice = (shown: Credential, origin: string): string =>
  shown._tag === "Anonymous"
    ? missing(origin)
    : "log in again, or check what they are allowed"
