import { Digest, RegistryError } from "@effect-oci/core"
import type { Descriptor, Operation } from "@effect-oci/core"
import type { Ended } from "../Recording.js"
import type { ObservedResponse } from "./observeResponse.js"

/**
 * A response as named values that are compared: `digest`, `size`, `mediaType`, `range`, `read` (the sha256 of the bytes
 * that were read), `items`, and `error` (the tag of the error).
 *
 * @since 0.1.0
 * @category models
 */
export type ComparableResponse = { readonly [field: string]: unknown }

/**
 * Returns a response as named values, without values that differ between registries: ids, messages, and the media type
 * of a blob.
 */
export const comparableResponse = (
  operation: Operation.Operation,
  response: ObservedResponse
): ComparableResponse => {
  switch (response._tag) {
    case "Failure":
      return { error: errorOf(operation, response.error) }
    case "Blob": {
      const { descriptor: { digest, size }, range } = response.blob
      const content = response.content()
      return { digest, size, range, read: content.digest, ...endOf(operation, content.ended) }
    }
    case "List": {
      const referrers = operation._tag === "ListReferrers"
      const items = referrers ? sorted(response.items as ReadonlyArray<Descriptor.Descriptor>) : response.items
      return { items, ...endOf(operation, response.ended) }
    }
    case "Value":
      return values[(operation as ValueOperation)._tag](response.value as never)
  }
}

/** Returns the names of the values that differ. */
export const differences = (one: ComparableResponse, other: ComparableResponse): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(one), ...Object.keys(other)]))
    .filter((field) => canonical(one[field]) !== canonical(other[field]))

/** The response to HEAD has no body, so it cannot distinguish not-found errors. */
const errorOf = (operation: Operation.Operation, error: RegistryError.RegistryError): string =>
  (operation._tag === "ResolveBlob" || operation._tag === "ResolveManifest") && RegistryError.isNotFound(error)
    ? "NotFound"
    : error._tag

const endOf = (operation: Operation.Operation, ended: Ended | undefined): ComparableResponse =>
  typeof ended === "object" ? { error: errorOf(operation, ended.error) } : {}

/** Sorts referrers, because their order differs between registries. */
const sorted = (referrers: ReadonlyArray<Descriptor.Descriptor>): ReadonlyArray<Descriptor.Descriptor> =>
  referrers.toSorted((one, other) => one.digest < other.digest ? -1 : 1)

type ValueOperation = Operation.WithShape<"value">

const blob = ({ digest, size }: Descriptor.Descriptor) => ({ digest, size })
const manifest = ({ digest, mediaType, size }: Descriptor.Descriptor) => ({ digest, mediaType, size })
const nothing = () => ({})

const values: { readonly [Tag in ValueOperation["_tag"]]: (value: Operation.Results[Tag]) => ComparableResponse } = {
  ResolveBlob: blob,
  ResolveManifest: manifest,
  GetManifest: ({ bytes, descriptor: { digest, mediaType } }) => ({ digest, mediaType, read: Digest.fromBytes(bytes) }),
  PushBlob: blob,
  MountBlob: nothing,
  StartUpload: nothing,
  GetUpload: nothing,
  AppendUpload: nothing,
  CompleteUpload: blob,
  CancelUpload: nothing,
  PushManifest: manifest,
  DeleteBlob: nothing,
  DeleteManifest: nothing,
  DeleteTag: nothing
}

/** Returns the same text for the same data, in any order of its fields. */
const canonical = (data: unknown): string | undefined =>
  JSON.stringify(data, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).toSorted(([one], [other]) => one < other ? -1 : 1))
      : field)
