/**
 * Operations: every call on a registry as data.
 *
 * Operations are listed in one order everywhere: pull, push, delete, list.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Equivalence from "effect/Equivalence"
import { dual } from "effect/Function"
import type * as AuthScope from "./AuthScope.js"
import type * as Body from "./Body.js"
import * as Digest from "./Digest.js"
import * as equivalences from "./internal/operationEquivalence.js"
import { StartUpload } from "./OperationModel.js"
import type { MountBlob, Operation, OperationOf, PushManifest, TagOrDigest } from "./OperationModel.js"
import type { Shape, ShapeOf, WithShape } from "./OperationResult.js"
import type { OperationTag } from "./OperationTag.js"
import { traits } from "./OperationTraits.js"
import type { Access, Action, Touched, Trait } from "./OperationTraits.js"
import { Denied } from "./RegistryError.js"
import type { ErrorFields } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"

export * from "./OperationModel.js"
export * from "./OperationResult.js"
export * from "./OperationSchema.js"
export * from "./OperationTag.js"
export * from "./OperationTraits.js"

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
export const matchShape: {
  <A>(cases: { readonly [S in Shape]: (operation: WithShape<S>) => A }): (operation: Operation) => A
  <A>(operation: Operation, cases: { readonly [S in Shape]: (operation: WithShape<S>) => A }): A
} = /* @__PURE__ */ dual(
  2,
  <A>(operation: Operation, cases: { readonly [S in Shape]: (operation: never) => A }): A =>
    cases[shape(operation)](operation as never)
)

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
export const mapBody: {
  (f: (body: Body.Body) => Body.Body): <O extends Operation>(operation: O) => O
  <O extends Operation>(operation: O, f: (body: Body.Body) => Body.Body): O
} = /* @__PURE__ */ dual(2, <O extends Operation>(operation: O, f: (body: Body.Body) => Body.Body): O => {
  const body = bodyOf(operation)
  return body === undefined ? operation : withFields(operation, { body: f(body) })
})

/**
 * Returns whether a manifest reference is a digest.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDigest = (reference: TagOrDigest): reference is Digest.Digest => reference.includes(":")

/**
 * Returns whether a push sets tags on a condition: `ifAbsent` or `ifMatch`.
 *
 * @since 0.1.0
 * @category getters
 */
export const isConditional = ({ ifAbsent, ifMatch, tags }: PushManifest): boolean =>
  tags.length > 0 && (ifAbsent === true || ifMatch !== undefined)

/**
 * Returns a push. Fails with `Denied` if the push has both conditions, because no tag can meet both.
 *
 * @since 0.1.0
 * @category getters
 */
export const withOneCondition = (operation: PushManifest): Either.Either<PushManifest, Denied> =>
  operation.ifAbsent === true && operation.ifMatch !== undefined
    ? Either.left(
      new Denied({
        ...errorFields(operation),
        reason: "a push has one condition: ifAbsent (If-None-Match) or ifMatch (If-Match), not both"
      })
    )
    : Either.right(operation)

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
} = /* @__PURE__ */ dual(
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
} = /* @__PURE__ */ dual(
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
} = /* @__PURE__ */ dual(2, <O extends UploadOperation>(operation: O, id: string): O => withFields(operation, { id }))

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
} = /* @__PURE__ */ dual(
  2,
  <O extends BodyOperation>(operation: O, body: Body.Body): O => withFields(operation, { body })
)

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
