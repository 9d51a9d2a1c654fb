import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import type * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import type { Model, Spec } from "../Law.js"
import { bytesOf, digestOf, isSame, manifest } from "./content.js"
import { fails, is, page } from "./spec.js"

type Name = RepositoryName.RepositoryName

/** The model of a wrapper that changes nothing. */
export const identity: Model = (next) => next

/** Returns the error of a client that refuses content in memory before it sends anything. */
const unsent = (operation: Operation.Operation) => {
  if (operation._tag === "PushBlob" && digestOf(bytesOf(operation.body)) !== operation.descriptor.digest) {
    return fails("OciDigestInvalid")
  }
  return operation._tag === "PushManifest" && manifest(digestOf(operation.bytes)).problem === "ambiguous"
    ? fails("OciManifestInvalid")
    : undefined
}

/**
 * The model of a client and a server. They know only upload sessions opened through them, each in its repository. The
 * client refuses wrong content itself, whatever the wrappers behind the server would answer.
 */
export const hop: Model = (next) => {
  const repositories = new Map<string, Name>()
  return (operation) => {
    const refused = unsent(operation)
    if (refused !== undefined) return refused
    if ("id" in operation && repositories.get(operation.id) !== operation.repository) {
      return fails("OciBlobUploadUnknown")
    }
    const expected = next(operation)
    if ("result" in expected && expected.upload !== undefined && "repository" in operation) {
      repositories.set(expected.upload, operation.repository)
    }
    return expected
  }
}

export const reads: ReadonlySet<Operation.OperationTag> = new Set([
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
  reads.has(operation._tag) ? next(operation) : fails("OciUnsupported")

/** Opens an upload session instead of mounting a blob. */
export const upload = (next: Spec, operation: Operation.MountBlob) =>
  next(new Operation.StartUpload({ repository: operation.repository }))

export const listed = <A>(expected: ReturnType<Spec>, f: (items: ReadonlyArray<A>) => ReadonlyArray<A>) =>
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
    const isVisible = part.repositories(repository)
    switch (operation._tag) {
      case "ResolveBlob":
      case "GetBlob":
        return isVisible ? next(operation) : fails("OciBlobUnknown")
      case "ResolveManifest":
      case "GetManifest": {
        const { reference } = operation
        if (!isVisible) return fails("OciNameUnknown")
        return part.references(Operation.isDigest(reference) ? undefined : reference)
          ? next(operation)
          : fails("OciManifestUnknown")
      }
      case "ListTags": {
        const { last, limit } = operation
        if (!isVisible) return fails("OciNameUnknown")
        return listed<Tag>(
          next(new Operation.ListTags({ repository })),
          (tags) => page(tags.filter(part.references), last, limit)
        )
      }
      case "ListReferrers":
        return isVisible && part.references(undefined) ? next(operation) : is([])
      case "MountBlob":
        if (!isVisible) return fails("OciDenied")
        return operation.from !== undefined && part.repositories(operation.from)
          ? next(operation)
          : upload(next, operation)
      case "PushManifest": {
        const named = operation.tags.length === 0 ? [undefined] : operation.tags
        return named.every((tag) => has(repository, tag)) ? next(operation) : fails("OciDenied")
      }
      case "DeleteTag":
        return has(repository, operation.tag) ? next(operation) : fails("OciDenied")
      case "DeleteBlob":
      case "DeleteManifest":
        return isVisible && part.whole ? next(operation) : fails("OciDenied")
      case "PushBlob":
      case "StartUpload":
      case "GetUpload":
      case "AppendUpload":
      case "CompleteUpload":
      case "CancelUpload":
        return isVisible ? next(operation) : fails("OciDenied")
    }
  }
  filtered.set(spec, { part, next })
  return spec
}

/**
 * The model of `Immutable`: tags do not move, and manifests keep their type. With `conditional`, the next registry
 * enforces the type of a digest, and the wrapper compares the types of tags whose digest has another algorithm.
 * Otherwise the wrapper resolves all existing manifests and compares their types.
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
        const protectedTags = tags.filter((tag) => some(repository) && isImmutable(tag))
        const existing = (reference: Operation.TagOrDigest): Descriptor | undefined => {
          const found = next(new Operation.ResolveManifest({ repository, reference }))
          return "result" in found ? found.result as Descriptor : undefined
        }
        const isContent = (found: Descriptor) => isSame(found.digest, digestOf(bytes))
        const moves = protectedTags.some((tag) => {
          const found = existing(tag)
          return found !== undefined && !isContent(found)
        })
        const isType = (found: Descriptor | undefined) =>
          found === undefined || !isContent(found) || found.mediaType === MediaType.essence(operation.mediaType)
        const compared = conditional
          ? protectedTags.filter((tag) => existing(tag)?.digest !== digest)
          : [digest, ...protectedTags]
        const retyped = some(repository) && !compared.every((each) => isType(existing(each)))
        const to = (tags: ReadonlyArray<Tag>, condition: Partial<Operation.PushManifest> = {}) =>
          next(new Operation.PushManifest({ ...operation, tags, ...condition }))
        const unmoved = operation.ifMatch === undefined ? { ifAbsent: true } : { ifMatch: digest }
        const others = tags.filter((tag) => !protectedTags.includes(tag))
        const mixed = protectedTags.length > 0 && others.length > 0 && operation.ifAbsent !== true
        const first = mixed ? protectedTags : tags
        if (moves || retyped) {
          const otherwise = to(first, unmoved)
          return fails(
            ...moves ? ["OciDenied"] : [],
            ...retyped ? ["OciManifestInvalid"] : [],
            ..."errors" in otherwise ? otherwise.errors : []
          )
        }
        if (protectedTags.length === 0) return next(operation)
        // A tag that points at the same content by a digest with another algorithm keeps that digest.
        const sameContent = first.filter((tag) =>
          protectedTags.includes(tag) && (existing(tag)?.digest ?? digest) !== digest
        )
        const rest = first.filter((tag) => !sameContent.includes(tag))
        const pushed = sameContent.length === 0
          ? to(first, protectedTags.length > 0 ? unmoved : {})
          : to(rest, { ...unmoved, ...(rest.length === 0 ? { digest } : {}) })
        // There are two pushes. The second may fail after the first has succeeded.
        const last = mixed && "result" in pushed ? to(others) : pushed
        return "errors" in last ? last : is({ ...last.result as object, tags })
      }
      case "DeleteTag":
        return some(operation.repository) && isImmutable(operation.tag) ? fails("OciDenied") : next(operation)
      case "DeleteBlob":
      case "DeleteManifest":
        return some(operation.repository) ? fails("OciDenied") : next(operation)
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
    if (!may("list", undefined)) return fails("OciUnauthorized")
    const { last, limit } = operation
    return listed<Name>(
      next(new Operation.ListRepositories({})),
      (names) => page(names.filter((name) => may("pull", name)), last, limit)
    )
  }
  const action = reads.has(operation._tag) ? "pull" : deletes.has(operation._tag) ? "delete" : "push"
  if (!may(action, operation.repository)) return fails("OciUnauthorized")
  return operation._tag === "MountBlob" && (operation.from === undefined || !may("pull", operation.from))
    ? upload(next, operation)
    : next(operation)
}

/** The model of a wrapper that denies reads of some manifests. */
export const denies = (isDenied: (name: Name, descriptor: Descriptor) => boolean): Model => (next) => (operation) => {
  const expected = next(operation)
  return (operation._tag === "ResolveManifest" || operation._tag === "GetManifest") && "result" in expected &&
      isDenied(operation.repository, expected.result as Descriptor)
    ? fails("OciDenied")
    : expected
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
    const mapped = Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, {
      repository: below(operation.repository),
      ...("from" in operation && operation.from !== undefined ? { from: below(operation.from) } : {})
    }) as typeof operation
    return mapped._tag === "MountBlob" && mapped.from === undefined ? upload(next, mapped) : next(mapped)
  }
}

/** The model of `Route`: another registry serves some repositories. */
export const route = (moved: (name: Name) => boolean): Model => (next, another) => {
  const member = another()
  return (operation) => {
    if (operation._tag === "ListRepositories") {
      const { last, limit } = operation
      const inMember = member(new Operation.ListRepositories({}))
      const names = "result" in inMember ? inMember.result as ReadonlyArray<Name> : []
      return listed<Name>(
        next(new Operation.ListRepositories({})),
        (others) => page([...names.filter(moved), ...others.filter((name) => !moved(name))], last, limit)
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

/** The model of `Verify` with a policy for some repositories, which requires a referrer of an artifact type. */
export const verify =
  (has: (name: Name) => boolean, artifactType: string, unselected: "serve" | "deny"): Model =>
  (next) =>
  (
    operation
  ) => {
    const expected = next(operation)
    if (operation._tag !== "GetManifest" && operation._tag !== "ResolveManifest") return expected
    if ("errors" in expected) return expected
    const { reference, repository } = operation
    if (!has(repository)) return unselected === "serve" ? expected : fails("OciDenied")
    const found = next(new Operation.ResolveManifest({ repository, reference }))
    if ("errors" in found) return found
    const { digest } = found.result as Descriptor
    const referrers = next(new Operation.ListReferrers({ repository, digest, artifactType }))
    return "result" in referrers && (referrers.result as ReadonlyArray<unknown>).length > 0
      ? expected
      : fails("OciDenied")
  }
