import { Answer, Middleware, Operation, ReferenceSet, RegistryError } from "@effect-oci/core"
import type { Digest, Handler, Registry, RepositoryName, Tag } from "@effect-oci/core"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type * as members from "../members.js"
import { rejectAll } from "../rejectAll.js"

/**
 * What the union may use a member for.
 *
 * - `pull`: blobs and manifests by digest; with `resolve`, also manifests by tag
 * - `resolve`: resolving tags, and the lists of tags and repositories
 * - `push`: blobs, uploads, manifests
 * - `referrers`: the lists of referrers
 * - `delete`: blobs, manifests, tags
 *
 * For a mirror that is not trusted with tags, use `pull` alone: its content is requested by digest, and verified.
 *
 * @since 0.1.0
 * @category models
 */
export type Capability = "pull" | "resolve" | "push" | "referrers" | "delete"

/**
 * A member of a union.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<Source extends members.Source = members.Source> {
  /** The name of the member in errors. */
  readonly name: string
  /** The registry, or a layer of it. */
  readonly registry: Source
  /** What the union may use the member for. Default: everything. */
  readonly capabilities?: ReadonlyArray<Capability> | undefined
  /**
   * The references for which the union may ask the member. A tag must be in the set; for all other operations, any
   * reference of the repository. Names have no host here. Default: everything.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether the answer of this member is final, as for the registry that the other members mirror. If no member has the
   * content, its error is the answer, and `passOver` does not apply to it. Reads in order ask no member after it.
   *
   * @default false
   */
  readonly authoritative?: boolean | undefined
}

/**
 * Options for a union.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How reads by digest ask the members: one after another (`order`), or all at once (`race`), where the first valid
   * answer counts. Default: `order`.
   */
  readonly read?: "order" | "race" | undefined
  /**
   * What a tag resolves to: the answer of the `first` member that has the tag, or the answer of all members that have
   * it, which must `agree`. Default: `first`.
   */
  readonly tags?: "first" | "agree" | undefined
  /** Which members receive pushes: the `first` member with the capability, or `all` of them. Default: `first`. */
  readonly push?: "first" | "all" | undefined
  /**
   * Selects the failures of a member after which reads and lists ask the next member. Use `RegistryError.isTransient`
   * for members that may be down, and `() => true` for mirrors of an `authoritative` member. If no other member has the
   * content, the failure is the answer. A blob that breaks off with such a failure continues at the next member.
   * Default: none.
   */
  readonly passOver?: ((error: RegistryError.RegistryError) => boolean) | undefined
  /**
   * How long reads ask a member last after the member was unreachable or unavailable, or sent wrong content or an
   * invalid response. The order of `authoritative` members does not change. 0 disables the cooldown. Default: 30
   * seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
  /**
   * How many items of each member's list are buffered, so that a list that is not in ASCII order can be merged. With 0
   * nothing is buffered, and every list must be in order. Default: 1000.
   */
  readonly sortBuffer?: number | undefined
  /**
   * The key that signs the ids of uploads to several members: at least 16 random characters. Processes that continue
   * each other's uploads share the key. An empty key is a `RangeError`. Default: a random key, so an upload cannot
   * continue after the process ends.
   */
  readonly uploadKey?: Redacted.Redacted<string> | undefined
}

/** A member, in the form that the handlers of the union use. */
export interface UnionMember {
  /** Its index among the members. */
  readonly index: number
  readonly name: string
  readonly handle: Handler.Handler
  /** The same handler, which verifies content that is requested by digest. */
  readonly verifying: Handler.Handler
  readonly can: (capability: Capability) => boolean
  readonly select: ReferenceSet.ReferenceSet | undefined
  readonly authoritative: boolean
}

const isAll = (select: ReferenceSet.ReferenceSet | undefined): boolean =>
  select === undefined || ReferenceSet.equals(select, ReferenceSet.all)

export const unionMember = (
  { authoritative = false, capabilities, name, registry, select }: Member<Registry.Service>,
  index: number
): UnionMember => ({
  index,
  name,
  handle: registry.handle,
  verifying: Middleware.verified(registry.handle),
  can: (capability) => capabilities === undefined || capabilities.includes(capability),
  select: isAll(select) ? undefined : select,
  authoritative
})

const capabilities: ReadonlyArray<Capability> = ["pull", "resolve", "push", "referrers", "delete"]

/** Returns whether the member may be used for every operation on every reference. */
export const isUnrestricted = ({ can, select }: UnionMember): boolean => select === undefined && capabilities.every(can)

/** The members with a capability, in order of trust. */
export interface CapableMembers {
  readonly capability: Capability
  readonly all: ReadonlyArray<UnionMember>
  /** Returns the members that may be asked about a repository. */
  readonly ofRepository: (repository: RepositoryName.RepositoryName) => ReadonlyArray<UnionMember>
  /**
   * Returns the members that may be asked about all of the tags of a repository; without tags, about the repository.
   */
  readonly ofTags: (
    repository: RepositoryName.RepositoryName,
    tags: ReadonlyArray<Tag.Tag>
  ) => ReadonlyArray<UnionMember>
}

export const capableMembers = (members: ReadonlyArray<UnionMember>, capability: Capability): CapableMembers => {
  const all = members.filter(({ can }) => can(capability))
  if (all.every(({ select }) => select === undefined)) {
    return { capability, all, ofRepository: () => all, ofTags: () => all }
  }
  const ofRepository: CapableMembers["ofRepository"] = (repository) =>
    all.filter((member) => selectsRepository(member, repository))
  return {
    capability,
    all,
    ofRepository,
    ofTags: (repository, tags) =>
      tags.length === 0
        ? ofRepository(repository)
        : all.filter((member) => tags.every((tag) => selectsTag(member, repository, tag)))
  }
}

/** Returns whether a member may be asked about a repository. */
export const selectsRepository = (
  { select }: Pick<UnionMember, "select">,
  repository: RepositoryName.RepositoryName
): boolean => select === undefined || ReferenceSet.touches(select, { repository })

/** Returns whether a member may be asked about a tag. */
export const selectsTag = (
  { select }: Pick<UnionMember, "select">,
  repository: RepositoryName.RepositoryName,
  tag: Tag.Tag
): boolean => select === undefined || ReferenceSet.contains(select, { repository, tag })

const rejectRepository = rejectAll("no member of the union is selected for this repository (option select)")

/** Fails an operation for which no member may be asked. */
export const noMemberError = <O extends Operation.Operation>(
  operation: O,
  { all, capability }: CapableMembers
): Answer.Answer<O> => {
  if (all.length > 0) return rejectRepository(operation)
  const reason = `no member of the union has the capability "${capability}" (option capabilities)`
  return Answer.fail(new RegistryError.Unsupported({ ...Operation.errorFields(operation), reason }))
}

/** Sends an operation to one member unchanged. */
export const askDirectly = <O extends Operation.Operation>(
  operation: O,
  { handle }: UnionMember
): Answer.Answer<O> => handle(operation)

/**
 * Answers an operation by `several` if several members may be asked, and by `single` if one may be asked. Fails if none
 * may be asked.
 */
export const dispatch = <O extends Operation.Operation>(
  operation: O,
  capable: CapableMembers,
  members: ReadonlyArray<UnionMember>,
  several: (operation: O, members: ReadonlyArray<UnionMember>) => Answer.Answer<O>,
  single: (operation: O, member: UnionMember) => Answer.Answer<O> = askDirectly
): Answer.Answer<O> => {
  const [first] = members
  if (first === undefined) return noMemberError(operation, capable)
  return members.length === 1 ? single(operation, first) : several(operation, members)
}

/** Returns whether an error of a member makes reads and lists ask the next member. */
export const shouldTryNext = (passOver: Options["passOver"]) => (error: RegistryError.RegistryError): boolean =>
  RegistryError.isNotFound(error) ||
  // A disagreement of members is not an outage of one of them.
  (error._tag !== "TagConflict" && passOver !== undefined && passOver(error))

/** Returns the digest in an operation that requests content by digest. */
export const digestOf = (operation: Operation.Operation): Digest.Digest | undefined => {
  const digest = "digest" in operation ? operation.digest : "reference" in operation ? operation.reference : undefined
  return digest !== undefined && Operation.isDigest(digest) ? digest : undefined
}

/** Returns whether an error says that content does not match its digest. No other member can continue such content. */
export const isWrongContent = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean =>
  digestOf(operation) !== undefined &&
  (error._tag === "DigestInvalid" || (error._tag === "SizeInvalid" && operation._tag === "GetBlob"))
