/**
 * Operations: every call on a registry, as data.
 *
 * They stand here, and everywhere else, in one order: pull, push, delete, list.
 *
 * @since 0.1.0
 */
import type * as Equivalence from "effect/Equivalence"
import { dual } from "effect/Function"
import type * as AuthScope from "./AuthScope.js"
import type * as Body from "./Body.js"
import * as Digest from "./Digest.js"
import * as equivalences from "./internal/operationEquivalence.js"
import { StartUpload } from "./internal/operationModel.js"
import type {
  Access,
  AppendUpload,
  CancelUpload,
  CompleteUpload,
  GetUpload,
  MountBlob,
  Operation,
  OperationOf,
  TagOrDigest,
  Touched,
  Trait
} from "./internal/operationModel.js"
import type { OperationTag } from "./internal/operationTag.js"
import * as internal from "./internal/traits.js"
import type { ErrorFields } from "./RegistryError.js"
import type { RepositoryName } from "./RepositoryName.js"

export * from "./internal/operationModel.js"

/**
 * What every operation means: the one table, in which a missing row does not compile.
 *
 * @since 0.1.0
 * @category traits
 */
export const traits: { readonly [Tag in OperationTag]: Trait<OperationOf<Tag>> } = internal.traits

const traitOf = (operation: Operation): Trait<Operation> => traits[operation._tag] as Trait<never> as Trait<Operation>

/**
 * Which of the four facets of a registry an operation belongs to.
 *
 * @since 0.1.0
 * @category traits
 */
export const access = (operation: Operation): Access => traits[operation._tag].access

/**
 * Whether an operation changes nothing: it reads or lists.
 *
 * @since 0.1.0
 * @category traits
 */
export const isRead = (operation: Operation): boolean => {
  const facet = access(operation)
  return facet === "read" || facet === "list"
}

/**
 * The repositories that an operation touches, and what it does there: none for a list of all, two for a mount.
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
export const repositories = (operation: Operation): ReadonlyArray<Touched> => traitOf(operation).repositories(operation)

/**
 * The scope that a token must hold for an operation.
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
 * Whether an operation may be sent again: its kind allows it, and so does its body.
 *
 * @since 0.1.0
 * @category traits
 */
export const isRepeatable = (operation: Operation): boolean =>
  traits[operation._tag].repeat !== "once" && (bodyOf(operation)?.replayable ?? true)

/**
 * The body that an operation sends, if it has one.
 *
 * @since 0.1.0
 * @category getters
 */
export const bodyOf = (operation: Operation): Body.Body | undefined => "body" in operation ? operation.body : undefined

/**
 * Whether what names a manifest is a digest.
 *
 * @since 0.1.0
 * @category guards
 */
export const isDigest = (reference: TagOrDigest): reference is Digest.Digest => reference.includes(":")

/**
 * What an error says of the operation that met it.
 *
 * @since 0.1.0
 * @category getters
 */
export const errorFields = (
  operation: Operation
): Required<Pick<ErrorFields, "operation" | "repository" | "reference">> => ({
  operation: operation._tag,
  repository: "repository" in operation ? operation.repository : undefined,
  reference: referenceOf(operation)
})

const referenceOf = (operation: Operation): string | undefined => {
  switch (operation._tag) {
    case "PushBlob":
      return operation.descriptor.digest
    case "ResolveManifest":
    case "GetManifest":
      return operation.reference
    case "PushManifest":
      return operation.digest ?? operation.tags[0]
    case "DeleteTag":
      return operation.tag
    case "StartUpload":
    case "GetUpload":
    case "AppendUpload":
    case "CancelUpload":
    case "ListRepositories":
    case "ListTags":
      return undefined
    default:
      return operation.digest
  }
}

/**
 * One answer for each operation: the exhaustive `switch` as a value.
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
 * The same operation on other repositories: all that it names, the source of a mount included, and `last` where that is
 * the name of one.
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
} = dual(2, <O extends Operation>(operation: O, f: (repository: RepositoryName) => RepositoryName): O => {
  const fields: { repository?: RepositoryName; from?: RepositoryName; last?: RepositoryName } = {}
  if ("repository" in operation) fields.repository = f(operation.repository)
  if (operation._tag === "MountBlob" && operation.from !== undefined) fields.from = f(operation.from)
  if (operation._tag === "ListRepositories" && operation.last !== undefined) fields.last = f(operation.last)
  return withFields(operation, fields)
})

/**
 * What a mount comes to whose source is not to be had: an upload, as where the source does not have the blob. Spec:
 * "Mounting a blob from another repository".
 *
 * @since 0.1.0
 * @category combinators
 */
export const uploadInstead = ({ digest, repository }: MountBlob): StartUpload => {
  const algorithm = Digest.algorithm(digest)
  return new StartUpload({ repository, algorithm: algorithm === "sha256" ? undefined : algorithm })
}

/**
 * The operations on an upload that was started.
 *
 * @since 0.1.0
 * @category models
 */
export type UploadOperation = GetUpload | AppendUpload | CompleteUpload | CancelUpload

/**
 * The same operation on an upload of another id: for what stands between those who know an upload by different ids.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withUploadId: {
  (id: string): <O extends UploadOperation>(operation: O) => O
  <O extends UploadOperation>(operation: O, id: string): O
} = dual(2, <O extends UploadOperation>(operation: O, id: string): O => withFields(operation, { id }))

/** The same operation of the same class, some of its fields replaced. */
const withFields = <O extends Operation>(operation: O, fields: object): O =>
  Object.assign(Object.create(Object.getPrototypeOf(operation) as object), operation, fields) as O

/**
 * Whether two operations ask the same: an absent field is one that is `undefined`, bytes are compared by content, and
 * bodies by their bytes, or where those are not in hand by identity.
 *
 * @since 0.1.0
 * @category equivalence
 */
export const equivalence: Equivalence.Equivalence<Operation> = equivalences.operation
