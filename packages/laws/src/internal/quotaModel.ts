import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Expected, Model, Spec } from "../Law.js"
import { bytesOf, digestOf } from "./content.js"
import { fails } from "./spec.js"

const unknown: ReadonlySet<string> = new Set([
  "OciBlobUnknown",
  "OciBlobUploadUnknown",
  "OciManifestUnknown",
  "OciNameUnknown"
])

/** Returns whether content exists, or the failure of the question. */
const exists = (next: Spec, operation: Operation.Operation): boolean | Expected => {
  const expected = next(operation)
  if ("result" in expected) return true
  return expected.errors.every((error) => unknown.has(error)) ? false : expected
}

/** The model of `Quota` for repositories without any space. */
export const quota = (isFull: (name: RepositoryName) => boolean): Model => (next) => (operation) => {
  if (operation._tag === "ListRepositories" || !isFull(operation.repository)) return next(operation)
  const { repository } = operation
  /** Pushes what the repository has, or what has no bytes. */
  const push = (digest: Operation.ResolveBlob["digest"], size: number) => {
    const found = exists(next, new Operation.ResolveBlob({ repository, digest }))
    if (typeof found === "object") return found
    return found || size === 0 ? next(operation) : fails("OciDenied")
  }
  switch (operation._tag) {
    case "PushBlob":
      return push(operation.descriptor.digest, operation.descriptor.size)
    case "MountBlob": {
      const { digest, from } = operation
      if (from === undefined) return fails("OciDenied")
      const source = next(new Operation.ResolveBlob({ repository: from, digest }))
      if ("result" in source) return push(digest, (source.result as { readonly size: number }).size)
      return source.errors.every((error) => unknown.has(error)) ? fails("OciDenied") : source
    }
    case "StartUpload":
      return fails("OciDenied")
    case "AppendUpload":
      return (operation.offset ?? 0) + bytesOf(operation.body).byteLength > 0 ? fails("OciDenied") : next(operation)
    case "CompleteUpload": {
      const upload = next(new Operation.GetUpload({ repository, id: operation.id }))
      if ("errors" in upload) return upload
      const { offset } = upload.result as Operation.Upload
      return push(operation.digest, offset + bytesOf(operation.body).byteLength)
    }
    case "PushManifest": {
      const references = [operation.digest ?? digestOf(operation.bytes), ...operation.tags]
      const found = references.map((reference) =>
        exists(next, new Operation.ResolveManifest({ repository, reference }))
      )
      const failed = found.find((each) => typeof each === "object")
      if (failed !== undefined) return failed
      return found.every((each) => each === true) ? next(operation) : fails("OciDenied")
    }
    case "ResolveBlob":
    case "GetBlob":
    case "ResolveManifest":
    case "GetManifest":
    case "GetUpload":
    case "CancelUpload":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
    case "ListTags":
    case "ListReferrers":
      return next(operation)
  }
}
