import { Middleware, Operation, ReferenceSet, RegistryError } from "@effect-oci/core"
import type { Digest, Handler, RepositoryName, Tag } from "@effect-oci/core"
import type * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import type * as Redacted from "effect/Redacted"
import type * as answer from "./answer.js"
import type * as members from "./members.js"
import { nowhere } from "./nowhere.js"

/**
 * What a member may be asked.
 *
 * - `pull`: blobs, and manifests by digest; and the manifest of a tag, from one that may `resolve` it
 * - `resolve`: where a tag points, and the lists of tags and repositories
 * - `push`: blobs, uploads, manifests
 * - `referrers`: the lists of referrers
 * - `delete`: blobs, manifests, tags
 *
 * A mirror whose word is not to be taken for tags has `pull` alone: what it has is asked for by digest, and checked.
 *
 * @since 0.1.0
 * @category models
 */
export type Capability = "pull" | "resolve" | "push" | "referrers" | "delete"

/**
 * One of the registries that are shown as one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<Source extends members.Source = members.Source> {
  /** The name of the member in errors. */
  readonly name: string
  /** The registry, or a layer of it. */
  readonly registry: Source
  /** What the union may ask of the member. Default: everything. */
  readonly capabilities?: ReadonlyArray<Capability> | undefined
  /**
   * What the union may ask the member about. A tag has to be in the set, and for all else something of the repository.
   * Names have no host here. Default: everything.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether this member has the last word, as the registry that the others mirror. If no member has the content, its
   * error is the answer, and no failure of it is passed over. Reads in order ask no member after it.
   *
   * @default false
   */
  readonly authoritative?: boolean | undefined
}

/**
 * How several registries are one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How reads by digest ask the members: one after another (`order`), or all at once (`race`), where the first valid answer
   * counts. Default: `order`.
   */
  readonly read?: "order" | "race" | undefined
  /**
   * What a tag resolves to: the answer of the `first` member that has it, or that of all members that have it, which must
   * `agree`. Default: `first`.
   */
  readonly tags?: "first" | "agree" | undefined
  /** Which members receive pushes: the `first` that may be pushed to, or `all` of them. Default: `first`. */
  readonly push?: "first" | "all" | undefined
  /**
   * Which failures of a member make reads and lists ask the next member. Use `RegistryError.isTransient` for members that
   * may be down, and `() => true` for mirrors of an `authoritative` member. If no other member has the content, the
   * failure is the answer. A blob that breaks off with such a failure continues at the next member. Default: none.
   */
  readonly passOver?: ((error: RegistryError.RegistryError) => boolean) | undefined
  /**
   * How long reads ask a member last after it was out of order: not reached, unavailable, or wrong in its content or its
   * answers. Members that are `authoritative` keep their place. 0 switches it off. Default: 30 seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
  /**
   * How many items of each member's list are read ahead, so that a list that is not in ASCII order can be merged. With 0
   * nothing is read ahead, and every list has to be in order. Default: 1000.
   */
  readonly hold?: number | undefined
  /**
   * The key that signs the ids of uploads to several members: at least 16 random characters. Processes that continue
   * each other's uploads share it. Default: a random key, so an upload ends with the process. An empty key is a
   * `RangeError`.
   */
  readonly uploadKey?: Redacted.Redacted<string> | undefined
}

/** A member as its rows see it. */
export interface Target {
  /** Its place among the members. */
  readonly index: number
  readonly name: string
  readonly handle: Handler.Handler
  /** The same, which answers a digest with its content or not at all. */
  readonly checked: Handler.Handler
  readonly can: (capability: Capability) => boolean
  readonly select: ReferenceSet.ReferenceSet | undefined
  readonly authoritative: boolean
}

const isAll = (select: ReferenceSet.ReferenceSet | undefined): boolean =>
  select === undefined || ReferenceSet.equals(select, ReferenceSet.all)

export const target = (
  { authoritative = false, capabilities, name, registry, select }: Member<members.Built[number]>,
  index: number
): Target => ({
  index,
  name,
  handle: registry.handle,
  checked: Middleware.verified(registry.handle),
  can: (capability) => capabilities === undefined || capabilities.includes(capability),
  select: isAll(select) ? undefined : select,
  authoritative
})

const capabilities: ReadonlyArray<Capability> = ["pull", "resolve", "push", "referrers", "delete"]

/** Whether it may be asked everything about everything. */
export const isWhole = ({ can, select }: Target): boolean => select === undefined && capabilities.every(can)

/** Who may be asked for something, in order of trust. */
export interface Able {
  readonly capability: Capability
  readonly all: ReadonlyArray<Target>
  /** About a repository. */
  readonly within: (repository: RepositoryName.RepositoryName) => ReadonlyArray<Target>
  /** About tags of a repository, all of them; about the repository if there are none. */
  readonly ofTags: (
    repository: RepositoryName.RepositoryName,
    tags: ReadonlyArray<Tag.Tag>
  ) => ReadonlyArray<Target>
}

export const able = (targets: ReadonlyArray<Target>, capability: Capability): Able => {
  const all = targets.filter(({ can }) => can(capability))
  if (all.every(({ select }) => select === undefined)) {
    return { capability, all, within: () => all, ofTags: () => all }
  }
  const within: Able["within"] = (repository) => all.filter(({ select }) => touches(select, repository))
  return {
    capability,
    all,
    within,
    ofTags: (repository, tags) =>
      tags.length === 0
        ? within(repository)
        : all.filter(({ select }) => tags.every((tag) => contains(select, repository, tag)))
  }
}

/** Whether a member may be asked about a repository. */
export const touches = (select: Target["select"], repository: RepositoryName.RepositoryName): boolean =>
  select === undefined || ReferenceSet.touches(select, { repository })

/** Whether a member may be asked about a tag. */
export const contains = (
  select: Target["select"],
  repository: RepositoryName.RepositoryName,
  tag: Tag.Tag
): boolean => select === undefined || ReferenceSet.contains(select, { repository, tag })

const elsewhere = nowhere("no member takes this repository")

/** The answer where no member may be asked. */
export const nobody = <O extends Operation.Operation>(
  operation: O,
  { all, capability }: Able
): answer.AnswerTo<O> => {
  if (all.length > 0) return elsewhere(operation)
  const reason = `no member may be asked to ${words[capability]}`
  return Exit.fail(new RegistryError.Unsupported({ ...Operation.errorFields(operation), reason }))
}

const words: { readonly [C in Capability]: string } = {
  pull: "pull",
  resolve: "resolve tags",
  push: "push",
  referrers: "list referrers",
  delete: "delete"
}

/** Whether an error makes reads and lists ask the next member. */
export const movesOn = (passOver: Options["passOver"]) => (error: RegistryError.RegistryError): boolean =>
  RegistryError.isNotFound(error) ||
  // That members disagree is no outage of one of them.
  (error._tag !== "TagConflict" && passOver !== undefined && passOver(error))

/** The digest that an operation names, if it names content by digest. */
export const digestOf = (operation: Operation.Operation): Digest.Digest | undefined => {
  const digest = "digest" in operation ? operation.digest : "reference" in operation ? operation.reference : undefined
  return digest !== undefined && Operation.isDigest(digest) ? digest : undefined
}

/** Whether an error says that content is not that of its digest: no other member can continue it. */
export const isWrongContent = (error: RegistryError.RegistryError, operation: Operation.Operation): boolean =>
  digestOf(operation) !== undefined &&
  (error._tag === "DigestInvalid" || (error._tag === "SizeInvalid" && operation._tag === "GetBlob"))
