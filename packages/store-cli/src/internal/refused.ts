import * as Data from "effect/Data"

/** The command cannot do what its arguments request. The message says why. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}
