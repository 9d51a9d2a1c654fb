import { Digest, RegistryError } from "@effect-oci/core"
import type { Descriptor, Manifest, Operation } from "@effect-oci/core"
import type { Ended } from "./recordingModel.js"
import type { Answer } from "./witness.js"

/**
 * What a registry told, by the name of each thing that is compared: `digest`, `size`, `mediaType`, `range`, `read` (the
 * sha256 of the bytes as far as they were read), `items`, and `error`, by its tag.
 *
 * @since 0.1.0
 * @category models
 */
export type Told = { readonly [field: string]: unknown }

/** What a registry told, without what is its own: ids, messages, how it calls the bytes of a blob. */
export const told = (operation: Operation.Operation, answer: Answer): Told => {
  switch (answer._tag) {
    case "Failure":
      return { error: errorOf(operation, answer.error) }
    case "Blob": {
      const { descriptor: { digest, size }, range } = answer.blob
      const content = answer.content()
      return { digest, size, range, read: content.digest, ...endOf(operation, content.ended) }
    }
    case "List": {
      const referrers = operation._tag === "ListReferrers"
      const items = referrers ? inOrder(answer.items as ReadonlyArray<Descriptor.Descriptor>) : answer.items
      return { items, ...endOf(operation, answer.ended) }
    }
    case "Value":
      return value(answer.operation, answer.value)
  }
}

/** The names of what differs. */
export const differences = (one: Told, other: Told): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(one), ...Object.keys(other)]))
    .filter((field) => canonical(one[field]) !== canonical(other[field]))

/** HEAD tells no more of what is not there. */
const errorOf = (operation: Operation.Operation, error: RegistryError.RegistryError): string =>
  (operation._tag === "ResolveBlob" || operation._tag === "ResolveManifest") && RegistryError.isNotFound(error)
    ? "NotFound"
    : error._tag

const endOf = (operation: Operation.Operation, ended: Ended | undefined): Told =>
  typeof ended === "object" ? { error: errorOf(operation, ended.error) } : {}

/** The order of referrers is each registry's own. */
const inOrder = (referrers: ReadonlyArray<Descriptor.Descriptor>): ReadonlyArray<Descriptor.Descriptor> =>
  referrers.toSorted((one, other) => one.digest < other.digest ? -1 : 1)

const value = (operation: Operation.OperationTag, result: unknown): Told => {
  switch (operation) {
    case "ResolveBlob":
    case "PushBlob":
    case "CompleteUpload": {
      const { digest, size } = result as Descriptor.Descriptor
      return { digest, size }
    }
    case "GetManifest": {
      const { bytes, descriptor: { digest, mediaType } } = result as Manifest.Manifest
      return { digest, mediaType, read: Digest.fromBytes(bytes) }
    }
    case "ResolveManifest":
    case "PushManifest": {
      const { digest, mediaType, size } = result as Descriptor.Descriptor
      return { digest, mediaType, size }
    }
    default:
      return {}
  }
}

/** The same text for the same data, whatever the order of its fields. */
const canonical = (data: unknown): string | undefined =>
  JSON.stringify(data, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).toSorted(([one], [other]) => one < other ? -1 : 1))
      : field)
