/**
 * The table of what every operation means. Import it from `Operation`.
 *
 * @since 0.1.0
 */
import * as AuthScope from "./AuthScope.js"
import type { Operation, OperationOf } from "./OperationModel.js"
import type { ShapeOf } from "./OperationResult.js"
import type { OperationTag } from "./OperationTag.js"
import type { RepositoryName } from "./RepositoryName.js"

/**
 * The facets of a registry.
 *
 * @since 0.1.0
 * @category traits
 */
export type Access = "read" | "write" | "delete" | "list"

/**
 * What an operation does with a repository.
 *
 * @since 0.1.0
 * @category traits
 */
export type Action = "pull" | "push" | "delete"

/**
 * A repository that an operation uses, and the action on it.
 *
 * @since 0.1.0
 * @category traits
 */
export interface Touched {
  readonly repository: RepositoryName
  readonly action: Action
}

/**
 * The fields of an operation that contain the name of a repository.
 *
 * @since 0.1.0
 * @category traits
 */
export type RepositoryField<O extends Operation> = {
  [Field in keyof O]-?: Exclude<O[Field], undefined> extends RepositoryName ? Field : never
}[keyof O]

/**
 * The properties of an operation that are known without running it.
 *
 * @since 0.1.0
 * @category traits
 */
export interface Trait<O extends Operation> {
  /** The facet of the registry that the operation belongs to. */
  readonly access: Access
  /** The shape of the result. */
  readonly shape: ShapeOf<O>
  /**
   * The fields that contain the name of a repository, each with the action on that repository. `"none"`: the operation
   * only names the repository.
   */
  readonly repositories: { readonly [Field in RepositoryField<O>]: Action | "none" }
  /** The tag or digest that the operation is about. Never the id of an upload, which may contain private state. */
  readonly reference: (operation: O) => string | undefined
  /** The scope that a token needs for the operation. */
  readonly requiredScope: (operation: O) => AuthScope.AuthScope
  /**
   * Whether the operation may be sent again if its outcome is unknown.
   *
   * - `safe`: it changes nothing.
   * - `idempotent`: sending it twice has the same effect as sending it once, except for an abandoned upload session.
   * - `once`: it must not be sent again.
   */
  readonly repeat: "safe" | "idempotent" | "once"
}

/** Returns a function that creates the scope of a repository, and keeps the last one: the next operation often needs it. */
const keepingLast = (...actions: ReadonlyArray<Action>) => {
  let last: { readonly repository: RepositoryName; readonly scope: AuthScope.AuthScope } | undefined
  return (repository: RepositoryName): AuthScope.AuthScope => {
    if (last?.repository !== repository) last = { repository, scope: AuthScope.repository(repository, ...actions) }
    return last.scope
  }
}

const scopes = {
  pull: keepingLast("pull"),
  push: keepingLast("pull", "push"),
  delete: keepingLast("delete")
} satisfies { readonly [A in Action]: unknown }

/** The properties of operations that use one repository, which most operations do. */
const within = <O extends { readonly repository: RepositoryName }>(action: Action) => ({
  repositories: { repository: action },
  requiredScope: (operation: O) => scopes[action](operation.repository)
})

const read = { access: "read", repeat: "safe", shape: "value", ...within("pull") } as const
const write = { access: "write", repeat: "idempotent", shape: "value", ...within("push") } as const
const remove = { access: "delete", repeat: "idempotent", shape: "value", ...within("delete") } as const
const list = { access: "list", repeat: "safe", shape: "list", ...within("pull") } as const

const byDigest = ({ digest }: { readonly digest: string }) => digest
const byReference = ({ reference }: { readonly reference: string }) => reference
const noReference = () => undefined

/**
 * The table with the properties of every operation. A missing row does not compile.
 *
 * @since 0.1.0
 * @category traits
 */
export const traits: { readonly [Tag in OperationTag]: Trait<OperationOf<Tag>> } = {
  ResolveBlob: { ...read, reference: byDigest },
  GetBlob: { ...read, shape: "content", reference: byDigest },
  ResolveManifest: { ...read, reference: byReference },
  GetManifest: { ...read, reference: byReference },
  PushBlob: { ...write, reference: ({ descriptor }) => descriptor.digest },
  MountBlob: {
    ...write,
    reference: byDigest,
    repositories: { repository: "push", from: "pull" },
    requiredScope: ({ from, repository }) =>
      from === undefined ? scopes.push(repository) : AuthScope.union(scopes.push(repository), scopes.pull(from))
  },
  StartUpload: { ...write, reference: noReference },
  GetUpload: { ...write, repeat: "safe", reference: noReference },
  AppendUpload: { ...write, repeat: "once", reference: noReference },
  CompleteUpload: { ...write, repeat: "once", reference: byDigest },
  CancelUpload: { ...write, reference: noReference },
  PushManifest: { ...write, reference: ({ digest, tags }) => digest ?? tags[0] },
  DeleteBlob: { ...remove, reference: byDigest },
  DeleteManifest: { ...remove, reference: byDigest },
  DeleteTag: { ...remove, reference: ({ tag }) => tag },
  ListRepositories: {
    ...list,
    reference: noReference,
    repositories: { last: "none" },
    requiredScope: () => AuthScope.catalog
  },
  ListTags: { ...list, reference: noReference },
  ListReferrers: { ...list, reference: byDigest }
}
