/**
 * Runs the whole conformance suite on image layouts. A layout has one repository, and the suite uses many: each repository
 * gets its own layout, which is created at the first operation on the repository.
 */
import { Conformance } from "@effect-oci/conformance"
import { Registry, RepositoryName } from "@effect-oci/core"
import type { Handler, Operation } from "@effect-oci/core"
import { Context, Effect, Layer, RcMap } from "effect"
import { join } from "node:path"
import * as NodeOciLayout from "../src/NodeOciLayout.js"
import { memory } from "./folder.js"

const layouts = Layer.scoped(
  Registry,
  Effect.gen(function*() {
    const path = yield* memory
    const registries = yield* RcMap.make({
      lookup: (repository: RepositoryName.RepositoryName) =>
        Effect.map(
          Layer.build(NodeOciLayout.layer(join(path, repository.replaceAll("/", "_")), { create: true, repository })),
          Context.get(Registry)
        ),
      idleTimeToLive: "1 hour"
    })
    const elsewhere = RepositoryName.make("elsewhere")
    const layoutOf = (operation: Operation.Operation) =>
      Effect.orDie(Effect.scoped(RcMap.get(registries, "repository" in operation ? operation.repository : elsewhere)))
    const handler: Handler.Handler = (operation) =>
      Effect.flatMap(layoutOf(operation), (registry) => registry.handle(operation))
    return Registry.fromHandler(handler)
  })
)

await Conformance.suite("a layout for each repository", layouts, {
  capabilities: { catalog: false, anonymousMount: false }
})
