import type { Credential } from "../Credential.js"

/** What may help. */
export const advice = (shown: Credential): string =>
  shown._tag === "Anonymous"
    ? "log in to the registry, or provide Credentials for it"
    : "log in again, or check what they are allowed"
