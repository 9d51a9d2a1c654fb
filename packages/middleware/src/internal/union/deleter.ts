import { RegistryError } from "@effect-oci/core"
import type { Handler, Operation } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as answer from "../answer.js"
import { lastFirst } from "./askAll.js"
import { everyOne } from "./combineWrites.js"
import type { Able, Target } from "./model.js"
import * as model from "./model.js"

type Rows = Pick<Handler.Table, "DeleteBlob" | "DeleteManifest" | "DeleteTag">

type Delete = Operation.OperationOf<keyof Rows>

/**
 * Creates the handlers of deletes. A delete goes to all members with the capability, because otherwise reads would
 * still find the content at another member. Members are asked one after another, the most trusted member last, so that
 * reads do not briefly find content of another member that the most trusted one hides.
 */
export const deleter = (targets: ReadonlyArray<Target>): Rows => {
  const able: Able = model.able(targets, "delete")

  const remove = (operation: Delete, members: ReadonlyArray<Target>): answer.AnswerTo<Delete> => {
    const [only] = members
    if (only === undefined) return model.nobody(operation, able)
    if (members.length === 1) return only.handle(operation)
    return Effect.flatMap(
      lastFirst(members, ({ handle }) => handle(operation)),
      (outcomes) => Exit.map(everyOne(operation, outcomes, RegistryError.isNotFound), ([done]) => done)
    )
  }

  const byDigest = (operation: Operation.DeleteBlob | Operation.DeleteManifest) =>
    remove(operation, able.within(operation.repository))

  return {
    DeleteBlob: byDigest,
    DeleteManifest: byDigest,
    DeleteTag: (operation) => remove(operation, able.ofTags(operation.repository, [operation.tag]))
  }
}
