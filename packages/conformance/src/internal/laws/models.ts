import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import { digestOf, isSame } from "./content.js"
import type { Expected, Spec } from "./spec.js"
import { fails, is, page } from "./spec.js"

type Name = RepositoryName.RepositoryName

/**
 * A model of a wrapper: a plain function that describes how the wrapper changes a registry. `another` creates an empty
 * registry, for wrappers that use several.
 *
 * @since 0.1.0
 * @category models
 */
export interface Model {
  (next: Spec, another: () => Spec): Spec
}

/** The model of a wrapper that changes nothing. */
export const identity: Model = (next) => next

/** The model of a client and a server. They know only upload sessions opened through them, each in its repository. */
export const hop: Model = (next) => {
  const repositories = new Map<string, Name>()
  return (operation) => {
    if ("id" in operation && repositories.get(operation.id) !== operation.repository) return fails("BlobUploadUnknown")
    const expected = next(operation)
    if ("result" in expected && expected.upload !== undefined && "repository" in operation) {
      repositories.set(expected.upload, operation.repository)
    }
    return expected
  }
}

const reads: ReadonlySet<Operation.OperationTag> = new Set([
  "ResolveBlob",
  "GetBlob",
  "ResolveManifest",
  "GetManifest",
  "ListRepositories",
  "ListTags",
  "ListReferrers"
])

const deletes: ReadonlySet<Operation.OperationTag> = new Set(["DeleteBlob", "DeleteManifest", "DeleteTag"])

export const readOnly: Model = (next) => (operation) =>
  reads.has(operation._tag) ? next(operation) : fails("Unsupported")

/** Opens an upload session instead of mounting a blob. */
const upload = (next: Spec, operation: Operation.MountBlob) =>
  next(new Operation.StartUpload({ repository: operation.repository }))

const listed = <A>(expected: ReturnType<Spec>, f: (items: ReadonlyArray<A>) => ReadonlyArray<A>) =>
  "result" in expected ? is(f(expected.result as ReadonlyArray<A>)) : expected

/**
 * A part of a registry: some repositories, and some tags in them. The tag `undefined` stands for content without a tag.
 */
export interface Part {
  readonly repositories: (name: Name) => boolean
  readonly references: (tag: Tag | undefined) => boolean
  /** Whether the part contains all references. */
  readonly whole: boolean
}

const filtered = new WeakMap<Spec, { readonly part: Part; readonly next: Spec }>()

/** The model of `Filter`. A filter directly around another filter acts as one filter. */
export const filter = (part: Part): Model => (next, another) => {
  const inner = filtered.get(next)
  if (inner === undefined) return filterOf(part, next)
  const both: Part = {
    repositories: (name) => part.repositories(name) && inner.part.repositories(name),
    references: (tag) => part.references(tag) && inner.part.references(tag),
    whole: part.whole && inner.part.whole
  }
  return filter(both)(inner.next, another)
}

const filterOf = (part: Part, next: Spec): Spec => {
  const has = (name: Name, tag: Tag | undefined) => part.repositories(name) && part.references(tag)
  const spec: Spec = (operation) => {
    if (operation._tag === "ListRepositories") {
      const { last, limit } = operation
      return listed<Name>(
        next(new Operation.ListRepositories({})),
        (names) => page(names.filter(part.repositories), last, limit)
      )
    }
    const { repository } = operation
    const there = part.repositories(repository)
    switch (operation._tag) {
      case "ResolveBlob":
      case "GetBlob":
        return there ? next(operation) : fails("BlobUnknown")
      case "ResolveManifest":
      case "GetManifest": {
        const { reference } = operation
        if (!there) return fails("NameUnknown")
        return part.references(Operation.isDigest(reference) ? undefined : reference)
          ? next(operation)
          : fails("ManifestUnknown")
      }
      case "ListTags": {
        const { last, limit } = operation
        if (!there) return fails("NameUnknown")
        return listed<Tag>(
          next(new Operation.ListTags({ repository })),
          (tags) => page(tags.filter(part.references), last, limit)
        )
      }
      case "ListReferrers":
        return there && part.references(undefined) ? next(operation) : is([])
      case "MountBlob":
        if (!there) return fails("Denied")
        return operation.from !== undefined && part.repositories(operation.from)
          ? next(operation)
          : upload(next, operation)
      case "PushManifest": {
        const named = operation.tags.length === 0 ? [undefined] : operation.tags
        return named.every((tag) => has(repository, tag)) ? next(operation) : fails("Denied")
      }
      case "DeleteTag":
        return has(repository, operation.tag) ? next(operation) : fails("Denied")
      case "DeleteBlob":
      case "DeleteManifest":
        return there && part.whole ? next(operation) : fails("Denied")
      case "PushBlob":
      case "StartUpload":
      case "GetUpload":
      case "AppendUpload":
      case "CompleteUpload":
      case "CancelUpload":
        return there ? next(operation) : fails("Denied")
    }
  }
  filtered.set(spec, { part, next })
  return spec
}

/**
 * The model of `Immutable`: tags do not move, and manifests keep their type. With `conditional`, the next registry
 * enforces the type. Otherwise the wrapper resolves the existing manifests and compares their type.
 */
export const immutable =
  (isImmutable: (tag: Tag) => boolean, some: (name: Name) => boolean, conditional = false): Model =>
  (next) =>
  (operation) => {
    switch (operation._tag) {
      case "PushManifest": {
        const { bytes, repository } = operation
        const digest = operation.digest ?? digestOf(bytes)
        const tags = Array.from(new Set(operation.tags))
        const own = tags.filter((tag) => some(repository) && isImmutable(tag))
        const held = (reference: Operation.TagOrDigest): Descriptor | undefined => {
          const found = next(new Operation.ResolveManifest({ repository, reference }))
          return "result" in found ? found.result as Descriptor : undefined
        }
        const isContent = (found: Descriptor) => isSame(found.digest, digestOf(bytes))
        const moves = own.some((tag) => {
          const found = held(tag)
          return found !== undefined && !isContent(found)
        })
        const isType = (found: Descriptor | undefined) =>
          found === undefined || !isContent(found) || found.mediaType === MediaType.essence(operation.mediaType)
        const retyped = !conditional && some(repository) && ![digest, ...own].every((each) => isType(held(each)))
        const to = (tags: ReadonlyArray<Tag>, digest = operation.digest, ifAbsent = operation.ifAbsent) =>
          next(new Operation.PushManifest({ ...operation, digest, tags, ifAbsent }))
        const others = tags.filter((tag) => !own.includes(tag))
        const mixed = own.length > 0 && others.length > 0 && operation.ifAbsent !== true
        const first = mixed ? own : tags
        if (moves || retyped) {
          const otherwise = to(first, operation.digest, true)
          return fails(
            ...moves ? ["Denied"] : [],
            ...retyped ? ["ManifestInvalid"] : [],
            ..."errors" in otherwise ? otherwise.errors : []
          )
        }
        if (own.length === 0) return next(operation)
        // A tag that points at the same content by a digest with another algorithm keeps that digest.
        const beside = first.filter((tag) => own.includes(tag) && (held(tag)?.digest ?? digest) !== digest)
        const rest = first.filter((tag) => !beside.includes(tag))
        const pushed = beside.length === 0 ? to(first) : to(rest, rest.length === 0 ? digest : operation.digest, true)
        // There are two pushes. The second may fail after the first has succeeded.
        const last = mixed && "result" in pushed ? to(others) : pushed
        return "errors" in last ? last : is({ ...last.result as object, tags })
      }
      case "DeleteTag":
        return some(operation.repository) && isImmutable(operation.tag) ? fails("Denied") : next(operation)
      case "DeleteBlob":
      case "DeleteManifest":
        return some(operation.repository) ? fails("Denied") : next(operation)
      case "ResolveBlob":
      case "GetBlob":
      case "ResolveManifest":
      case "GetManifest":
      case "PushBlob":
      case "MountBlob":
      case "StartUpload":
      case "GetUpload":
      case "AppendUpload":
      case "CompleteUpload":
      case "CancelUpload":
      case "ListRepositories":
      case "ListTags":
      case "ListReferrers":
        return next(operation)
    }
  }

/** Decides whether an action on a repository is allowed. */
export type Policy = (action: "pull" | "push" | "delete" | "list", name: Name | undefined) => boolean

/** The model of `Authorize`. The caller is anonymous, so the error is `Unauthorized`: credentials might help. */
export const authorize = (may: Policy): Model => (next) => (operation) => {
  if (operation._tag === "ListRepositories") {
    if (!may("list", undefined)) return fails("Unauthorized")
    const { last, limit } = operation
    return listed<Name>(
      next(new Operation.ListRepositories({})),
      (names) => page(names.filter((name) => may("pull", name)), last, limit)
    )
  }
  const action = reads.has(operation._tag) ? "pull" : deletes.has(operation._tag) ? "delete" : "push"
  if (!may(action, operation.repository)) return fails("Unauthorized")
  return operation._tag === "MountBlob" && (operation.from === undefined || !may("pull", operation.from))
    ? upload(next, operation)
    : next(operation)
}

/** The model of `Sub`: the repositories below a prefix. */
export const sub = (prefix: string): Model => (next) => {
  const below = (name: Name) => `${prefix}/${name}` as Name
  return (operation) => {
    if (operation._tag === "ListRepositories") {
      const { last, limit } = operation
      return listed<Name>(next(new Operation.ListRepositories({})), (names) =>
        page(
          names.filter((name) => name.startsWith(`${prefix}/`)).map((name) => name.slice(prefix.length + 1) as Name),
          last,
          limit
        ))
    }
    const moved = Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, {
      repository: below(operation.repository),
      ...("from" in operation && operation.from !== undefined ? { from: below(operation.from) } : {})
    }) as typeof operation
    return moved._tag === "MountBlob" && moved.from === undefined ? upload(next, moved) : next(moved)
  }
}

/** The model of `Route`: another registry serves some repositories. */
export const route = (moved: (name: Name) => boolean): Model => (next, another) => {
  const member = another()
  return (operation) => {
    if (operation._tag === "ListRepositories") {
      const { last, limit } = operation
      const own = member(new Operation.ListRepositories({}))
      const moves = "result" in own ? own.result as ReadonlyArray<Name> : []
      return listed<Name>(
        next(new Operation.ListRepositories({})),
        (names) => page([...moves.filter(moved), ...names.filter((name) => !moved(name))], last, limit)
      )
    }
    const { repository } = operation
    const target = moved(repository) ? member : next
    return operation._tag === "MountBlob" &&
        (operation.from === undefined || moved(operation.from) !== moved(repository))
      ? upload(target, operation)
      : target(operation)
  }
}

const isNotFound = (expected: Expected): boolean =>
  "errors" in expected && expected.errors.every((error) => /^(Blob|Manifest|Name|BlobUpload)Unknown$/.test(error))

const errorsOf = (all: ReadonlyArray<Expected>): ReadonlyArray<string> =>
  all.flatMap((expected) => "errors" in expected ? expected.errors : [])

/** Returns the first result. An error other than not-found ends the search, unless the members race. */
const firstOf = (members: ReadonlyArray<Spec>, operation: Operation.Operation, race: boolean): Expected => {
  const asked: Array<Expected> = []
  for (const member of members) {
    const expected = member(operation)
    if ("result" in expected || !(race || isNotFound(expected))) return expected
    asked.push(expected)
  }
  return fails(...errorsOf(asked))
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
  if (wrong.length > 0) return fails("PartialFailure", ...errorsOf(wrong))
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
  return { expected: digests.size > 1 ? fails("TagConflict") : all.find((expected) => "result" in expected)!, by }
}

const digestIn = (expected: { readonly result: unknown }): Digest.Digest => (expected.result as Descriptor).digest

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
    return isNotFound(found) ? firstOf(by, operation, false) : found
  }

  /** Returns why a push with `ifAbsent` is refused before any member receives it: the push would move a tag. */
  const moved = ({ bytes, repository, tags }: Operation.PushManifest): Expected | undefined => {
    for (const reference of tags) {
      const { expected } = name(new Operation.ResolveManifest({ repository, reference }))
      if ("errors" in expected && !isNotFound(expected)) return expected
      if ("result" in expected && !isSame(digestIn(expected), digestOf(bytes))) return fails("Denied")
    }
    return undefined
  }

  return (operation) => {
    switch (operation._tag) {
      case "ListRepositories": {
        const { last, limit } = operation
        return merged<Name>(members, new Operation.ListRepositories({}), (names) => page(new Set(names), last, limit))
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
        return (operation.ifAbsent === true ? moved(operation) : undefined) ?? members[0]!(operation)
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
