import { Answer, Operation, ReferenceSet, RegistryError } from "@effect-oci/core"
import type { Digest, Handler, RepositoryName, Tag, UploadIds } from "@effect-oci/core"
import type * as Duration from "effect/Duration"
import { rejectAll } from "../rejectAll.js"

const capabilities = ["pull", "resolve", "push", "referrers", "delete"] as const

type Capability = (typeof capabilities)[number]

/** The options of the union, with their defaults. */
export interface Settings {
  readonly read: "order" | "race"
  readonly tags: "first" | "agree"
  readonly push: "first" | "all" | "ordered"
  readonly passOver: (error: RegistryError.RegistryError) => boolean
  readonly cooldown: Duration.DurationInput
  readonly sortBuffer: number
  readonly uploadKey: UploadIds.Key | undefined
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
export const shouldTryNext = ({ passOver }: Settings) => (error: RegistryError.RegistryError): boolean =>
  RegistryError.isNotFound(error) ||
  // A disagreement of members is not an outage of one of them.
  (error._tag !== "OciTagConflict" && passOver(error))

/** Returns the digest in an operation that requests content by digest. */
export const digestOf = (operation: Operation.Operation): Digest.Digest | undefined => {
  const digest = "digest" in operation ? operation.digest : "reference" in operation ? operation.reference : undefined
  return digest !== undefined && Operation.isDigest(digest) ? digest : undefined
}

/** Returns whether an error says that content does not match its digest. No other member can continue such content. */
export const isWrongContent = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean =>
  digestOf(operation) !== undefined &&
  (error._tag === "OciDigestInvalid" || (error._tag === "OciSizeInvalid" && operation._tag === "GetBlob"))
