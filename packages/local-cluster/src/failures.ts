import * as Data from "effect/Data"

/** A part of the cluster did not start. The message says which one, and what to do. */
export class CannotStart extends Data.TaggedError("CannotStart")<{ readonly message: string }> {}
