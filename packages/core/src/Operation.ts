/**
 * Operations: every call on a registry as data.
 *
 * Operations are listed in one order everywhere: pull, push, delete, list.
 *
 * @since 0.1.0
 */
import type * as Equivalence from "effect/Equivalence"
import { dual } from "effect/Function"
import * as AuthScope from "./AuthScope.js"
import type * as Body from "./Body.js"
import * as Digest from "./Digest.js"
import * as equivalences from "./internal/operationEquivalence.js"
import { StartUpload } from "./OperationModel.js"
import type { MountBlob, Operation, OperationOf, TagOrDigest } from "./OperationModel.js"
import type { Shape, ShapeOf, WithShape } from "./OperationResult.js"
import type { OperationTag } from "./OperationTag.js"
import type { ErrorFields } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"

export * from "./OperationModel.js"
export * from "./OperationResult.js"
export * from "./OperationSchema.js"
export * from "./OperationTag.js"

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

const scopes = {
  pull: (repository: RepositoryName) => AuthScope.repository(repository, "pull"),
  push: (repository: RepositoryName) => AuthScope.repository(repository, "pull", "push"),
  delete: (repository: RepositoryName) => AuthScope.repository(repository, "delete")
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

const traitOf = (operation: Operation): Trait<Operation> => traits[operation._tag] as unknown as Trait<Operation>

/**
 * Returns the facet of the registry that an operation belongs to: read, write, delete or list.
 *
 * @since 0.1.0
 * @category traits
 */
export const access = (operation: Operation): Access => traits[operation._tag].access

/**
 * Returns whether an operation changes nothing, that is, whether it reads or lists.
 *
 * @since 0.1.0
 * @category traits
 */
export const isRead = (operation: Operation): boolean => {
  const facet = access(operation)
  return facet === "read" || facet === "list"
}

/**
 * Returns the repositories that an operation uses, each with the action on it. Listing all repositories has none. A
 * mount has two.
 *
 * @since 0.1.0
 * @category traits
 * @example
 * ```ts
 * import { Operation } from "@effect-oci/core"
 *
 * const pushesTo = (operation: Operation.Operation, name: string): boolean =>
 *   Operation.repositories(operation).some(({ action, repository }) => action === "push" && repository === name)
 * ```
 */
export const repositories = (operation: Operation): ReadonlyArray<Touched> => {
  const touched: Array<Touched> = []
  forEachRepository(operation, (_, repository, action) => {
    if (action !== "none") touched.push({ repository, action })
  })
  return touched
}

/** Calls a function with each field of an operation that names a repository. */
const forEachRepository = (
  operation: Operation,
  f: (field: string, repository: RepositoryName, action: Action | "none") => void
): void => {
  const actions: { readonly [field: string]: Action | "none" } = traitOf(operation).repositories
  for (const field in actions) {
    const repository = (operation as unknown as { readonly [field: string]: RepositoryName | undefined })[field]
    if (repository !== undefined) f(field, repository, actions[field]!)
  }
}

/**
 * Returns the scope that a token needs for an operation.
 *
 * @since 0.1.0
 * @category traits
 * @example
 * ```ts
 * import { AuthScope, Operation } from "@effect-oci/core"
 *
 * const allows = (granted: AuthScope.AuthScope, operation: Operation.Operation): boolean =>
 *   AuthScope.contains(granted, Operation.requiredScope(operation))
 * ```
 */
export const requiredScope = (operation: Operation): AuthScope.AuthScope => traitOf(operation).requiredScope(operation)

/**
 * Returns whether an operation may be sent again: its kind must allow repetition, and its body must be replayable.
 *
 * @since 0.1.0
 * @category traits
 */
export const isRepeatable = (operation: Operation): boolean =>
  traits[operation._tag].repeat !== "once" && (bodyOf(operation)?.replayable ?? true)

/**
 * Returns the shape of an operation's result.
 *
 * @since 0.1.0
 * @category traits
 */
export const shape = <O extends Operation>(operation: O): ShapeOf<O> => traits[operation._tag].shape as ShapeOf<O>

/**
 * Calls the function for the shape of the operation's result.
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const matchShape = <A>(
  operation: Operation,
  cases: { readonly [S in Shape]: (operation: WithShape<S>) => A }
): A => cases[shape(operation)](operation as never)

/**
 * Returns the body that an operation sends, or `undefined` if it has none.
 *
 * @since 0.1.0
 * @category getters
 */
export const bodyOf = (operation: Operation): Body.Body | undefined => "body" in operation ? operation.body : undefined

/**
 * Returns the same operation with another body, such as one that counts the bytes. An operation without a body is
 * returned unchanged.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapBody = <O extends Operation>(operation: O, f: (body: Body.Body) => Body.Body): O => {
  const body = bodyOf(operation)
  return body === undefined ? operation : withFields(operation, { body: f(body) })
}

/**
 * Returns whether a manifest reference is a digest.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDigest = (reference: TagOrDigest): reference is Digest.Digest => reference.includes(":")

/**
 * Returns the fields that describe an operation in an error.
 *
 * @since 0.1.0
 * @category getters
 */
export const errorFields = (
  operation: Operation
): Required<Pick<ErrorFields, "operation" | "repository" | "reference">> => ({
  operation: operation._tag,
  repository: "repository" in operation ? operation.repository : undefined,
  reference: traitOf(operation).reference(operation)
})

/**
 * Calls the function for the kind of the operation: an exhaustive `switch` as a value.
 *
 * @since 0.1.0
 * @category pattern matching
 */
export const match: {
  <A>(cases: { readonly [Tag in OperationTag]: (operation: OperationOf<Tag>) => A }): (operation: Operation) => A
  <A>(operation: Operation, cases: { readonly [Tag in OperationTag]: (operation: OperationOf<Tag>) => A }): A
} = dual(
  2,
  <A>(operation: Operation, cases: { readonly [Tag in OperationTag]: (operation: never) => A }): A =>
    cases[operation._tag](operation as never)
)

/**
 * Returns the same operation on other repositories. Applies `f` to every repository name in the operation, including
 * the source of a mount, and `last` when listing repositories.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Operation, RepositoryName } from "@effect-oci/core"
 *
 * const operation = new Operation.ListTags({ repository: RepositoryName.make("app") })
 * const moved = Operation.mapRepositories(operation, (name) => RepositoryName.make(`team/${name}`))
 * ```
 */
export const mapRepositories: {
  (f: (repository: RepositoryName) => RepositoryName): <O extends Operation>(operation: O) => O
  <O extends Operation>(operation: O, f: (repository: RepositoryName) => RepositoryName): O
} = dual(
  2,
  <O extends Operation>(operation: O, f: (repository: RepositoryName) => RepositoryName): O => {
    const fields: { [field: string]: RepositoryName } = {}
    forEachRepository(operation, (field, repository) => {
      fields[field] = f(repository)
    })
    return withFields(operation, fields)
  }
)

/**
 * Returns the `StartUpload` that replaces a mount whose source is not accessible. A registry also starts an upload if
 * the source repository does not have the blob. Spec: [Mounting a blob from another
 * repository](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
 *
 * @since 0.1.0
 * @category combinators
 */
export const uploadInstead = ({ digest, repository }: MountBlob): StartUpload => {
  const algorithm = Digest.algorithm(digest)
  return new StartUpload({ repository, algorithm: algorithm === "sha256" ? undefined : algorithm })
}

/**
 * The operations on an open upload session.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadOperation = Extract<Operation, { readonly id: string }>

/**
 * Returns the same operation with another upload id. For wrappers whose caller knows an upload session by another id
 * than the next handler.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withUploadId: {
  (id: string): <O extends UploadOperation>(operation: O) => O
  <O extends UploadOperation>(operation: O, id: string): O
} = dual(2, <O extends UploadOperation>(operation: O, id: string): O => withFields(operation, { id }))

/**
 * An operation that sends a body.
 *
 * @since 0.1.0
 * @category models
 */
export type BodyOperation = Extract<Operation, { readonly body?: Body.Body | undefined }>

/**
 * Returns the same operation with another body.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withBody: {
  (body: Body.Body): <O extends BodyOperation>(operation: O) => O
  <O extends BodyOperation>(operation: O, body: Body.Body): O
} = dual(2, <O extends BodyOperation>(operation: O, body: Body.Body): O => withFields(operation, { body }))

/** Returns an operation of the same class with some fields replaced. */
const withFields = <O extends Operation>(operation: O, fields: object): O =>
  Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, fields) as O

/**
 * Returns whether two operations request the same. An absent field equals `undefined`. Bytes are compared by content.
 * Bodies are compared by content if both are in memory, otherwise by identity.
 *
 * @since 0.1.0
 * @category equivalence
 */
export const equivalence: Equivalence.Equivalence<Operation> = equivalences.operation
