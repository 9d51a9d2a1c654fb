import * as Operation from "@effect-oci/core/Operation"
import type * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { Model } from "../Law.js"
import { listed, reads, upload } from "./models.js"
import { fails, is, page } from "./spec.js"

type Name = RepositoryName.RepositoryName

/** The model of `Under`. Repositories outside the prefix do not exist. */
export const under = (prefix: string): Model => (next) => {
  const root = `${prefix}/`
  const below = (name: Name) => name.slice(root.length) as Name
  return (operation) => {
    if (operation._tag === "ListRepositories") {
      const { last, limit } = operation
      return listed<Name>(
        next(new Operation.ListRepositories({})),
        (names) => page(names.map((name) => root + name as Name), last, limit)
      )
    }
    if (!operation.repository.startsWith(root)) return absent(operation)
    const from = "from" in operation ? operation.from : undefined
    const mapped = Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, {
      repository: below(operation.repository),
      ...(from === undefined ? {} : { from: below(from) })
    }) as typeof operation
    return mapped._tag === "MountBlob" && from?.startsWith(root) === false ? upload(next, mapped) : next(mapped)
  }
}

/** Returns the response of a registry that has no repositories and accepts no writes. */
const absent = (operation: Operation.Operation) => {
  if (operation._tag === "ListReferrers") return is([])
  if (!reads.has(operation._tag)) return fails("OciDenied")
  return fails(operation._tag === "ResolveBlob" || operation._tag === "GetBlob" ? "OciBlobUnknown" : "OciNameUnknown")
}
