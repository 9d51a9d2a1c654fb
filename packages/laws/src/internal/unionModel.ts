import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { Expected, Model, Spec } from "../Law.js"
import { digestOf, isSame } from "./content.js"
import { filter } from "./models.js"
import type { Part } from "./models.js"
import { fails, is, page } from "./spec.js"

const isNotFound = (expected: Expected): boolean =>
  "errors" in expected && expected.errors.every((error) => /^Oci(Blob|Manifest|Name|BlobUpload)Unknown$/.test(error))

const errorsOf = (all: ReadonlyArray<Expected>): ReadonlyArray<string> =>
  all.flatMap((expected) => "errors" in expected ? expected.errors : [])

/** Returns the first result. An error other than not-found ends the search, unless the members race. */
const firstOf = (members: ReadonlyArray<Spec>, operation: Operation.Operation, race: boolean): Expected => {
  const failures: Array<Expected> = []
  for (const member of members) {
    const expected = member(operation)
    if ("result" in expected || !(race || isNotFound(expected))) return expected
    failures.push(expected)
  }
  return fails(...errorsOf(failures))
}

const merged = <A>(
  members: ReadonlyArray<Spec>,
  operation: Operation.Operation,
  of: (items: ReadonlyArray<A>) => ReadonlyArray<A>
): Expected => {
  const all = members.map((member) => member(operation))
  const wrong = all.find((expected) => "errors" in expected && !isNotFound(expected))
  if (wrong !== undefined) return wrong
  const items = all.flatMap((expected) => "result" in expected ? expected.result as ReadonlyArray<A> : [])
  return all.every(isNotFound) ? fails(...errorsOf(all)) : is(of(items))
}

const deleted = (members: ReadonlyArray<Spec>, operation: Operation.Operation): Expected => {
  const all = members.toReversed().map((member) => member(operation))
  const wrong = all.filter((expected) => "errors" in expected && !isNotFound(expected))
  if (wrong.length > 0) return fails("OciPartialFailure", ...errorsOf(wrong))
  return all.find((expected) => "result" in expected) ?? fails(...errorsOf(all))
}

/** The manifest that a tag resolves to, and the members that returned it. */
interface Named {
  readonly expected: Expected
  readonly by: ReadonlyArray<Spec>
}

/** Resolves a tag with the first member that has the tag. */
const named = (members: ReadonlyArray<Spec>, operation: Operation.ResolveManifest): Named => {
  const expected = firstOf(members, operation, false)
  const by = members.find((member) => !isNotFound(member(operation)))
  return { expected, by: by === undefined ? [] : [by] }
}

/** Resolves a tag with all members that have the tag. They must agree. */
const agreed = (members: ReadonlyArray<Spec>, operation: Operation.ResolveManifest): Named => {
  const all = members.map((member) => member(operation))
  const by = members.filter((_, at) => "result" in all[at]!)
  const wrong = all.find((expected) => "errors" in expected && !isNotFound(expected))
  if (wrong !== undefined || by.length === 0) return { expected: wrong ?? fails(...errorsOf(all)), by }
  const digests = new Set(all.flatMap((expected) => "result" in expected ? digestIn(expected) : []))
  return { expected: digests.size > 1 ? fails("OciTagConflict") : all.find((expected) => "result" in expected)!, by }
}

const digestIn = (expected: { readonly result: unknown }): Digest.Digest => (expected.result as Descriptor).digest

const typeIn = (expected: { readonly result: unknown }): string => (expected.result as Descriptor).mediaType

/**
 * Options for the model of `Union`: how it reads, how it resolves tags, and which part of its first member is visible.
 */
export interface UnionOptions {
  readonly race?: boolean
  readonly agree?: boolean
  readonly first?: Part | undefined
}

/**
 * The model of `Union` with another registry as the first member. Tags resolve to it first, and it receives the pushes.
 */
export const union = ({ agree = false, first, race = false }: UnionOptions): Model => (next, another) => {
  const members = [first === undefined ? another() : filter(first)(another(), another), next]
  const name = (operation: Operation.ResolveManifest) => (agree ? agreed : named)(members, operation)

  /**
   * Returns the manifest that the tag resolves to: by digest from any member, otherwise by tag from the members that
   * resolved the tag.
   */
  const getTag = (operation: Operation.GetManifest): Expected => {
    const { by, expected } = name(new Operation.ResolveManifest(operation))
    if ("errors" in expected) return expected
    const reference = digestIn(expected)
    const found = firstOf(members, new Operation.GetManifest({ repository: operation.repository, reference }), race)
    const isResolved = "result" in found && typeIn(found) === typeIn(expected)
    return isResolved || ("errors" in found && !isNotFound(found)) ? found : firstOf(by, operation, false)
  }

  /**
   * Returns why a push with a condition is refused before any member receives it: a tag does not meet the condition, or
   * points at the same manifest with another media type.
   */
  const refused = ({ bytes, ifMatch, mediaType, repository, tags }: Operation.PushManifest): Expected | undefined => {
    for (const reference of tags) {
      const { expected } = name(new Operation.ResolveManifest({ repository, reference }))
      if ("errors" in expected && !isNotFound(expected)) return expected
      const isPushed = "result" in expected && isSame(digestIn(expected), digestOf(bytes))
      const current = "result" in expected ? digestIn(expected) : undefined
      if (!isPushed && current !== ifMatch) return fails("OciDenied")
      if (isPushed && typeIn(expected) !== MediaType.essence(mediaType)) return fails("OciManifestInvalid")
    }
    return undefined
  }

  return (operation) => {
    switch (operation._tag) {
      case "ListRepositories": {
        const { last, limit } = operation
        return merged<RepositoryName>(
          members,
          new Operation.ListRepositories({}),
          (names) => page(new Set(names), last, limit)
        )
      }
      case "ListTags": {
        const { last, limit, repository } = operation
        return merged<Tag>(members, new Operation.ListTags({ repository }), (tags) => page(new Set(tags), last, limit))
      }
      case "ListReferrers":
        return merged<Descriptor>(
          members,
          operation,
          (referrers) =>
            Array.from(new Map(referrers.map((each) => [each.digest, each])).values())
              .toSorted((one, other) => one.digest < other.digest ? -1 : 1)
        )
      case "ResolveBlob":
      case "GetBlob":
        return firstOf(members, operation, race)
      case "ResolveManifest":
        return Operation.isDigest(operation.reference) ? firstOf(members, operation, race) : name(operation).expected
      case "GetManifest":
        return Operation.isDigest(operation.reference) ? firstOf(members, operation, race) : getTag(operation)
      case "PushManifest":
        return (Operation.isConditional(operation) ? refused(operation) : undefined) ?? members[0]!(operation)
      case "DeleteBlob":
      case "DeleteManifest":
      case "DeleteTag":
        return deleted(members, operation)
      case "PushBlob":
      case "MountBlob":
      case "StartUpload":
      case "GetUpload":
      case "AppendUpload":
      case "CompleteUpload":
      case "CancelUpload":
        return members[0]!(operation)
    }
  }
}
