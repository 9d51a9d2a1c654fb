import type { Credential } from "../Credential.js"
import { missing } from "../CredentialsModel.js"

/** Returns what a user can do if an origin refused a credential. */
export const advice = (refused: Credential, origin: string): string =>
  refused._tag === "Anonymous"
    ? missing(origin)
    : "log in again, or check what they are allowed"
