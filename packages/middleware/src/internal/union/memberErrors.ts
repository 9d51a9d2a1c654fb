import { Operation, RegistryError } from "@effect-oci/core"
import type { Outcome } from "./askAll.js"

/** The failure of a member. */
export interface MemberError {
  readonly name: string
  readonly error: RegistryError.RegistryError
}

/**
 * How far each kind of failure got, from 0: the repository or content was not found, the registry was not reached, it
 * refused access, or it processed the request.
 */
const errorRank: { readonly [Tag in RegistryError.RegistryError["_tag"]]: number } = {
  NameUnknown: 0,
  BlobUnknown: 1,
  BlobUploadUnknown: 1,
  ManifestUnknown: 1,
  TransportError: 2,
  CredentialError: 3,
  RealmRefused: 3,
  ResponseInvalid: 4,
  TooManyRequests: 5,
  Unavailable: 5,
  UnknownCode: 5,
  Unauthorized: 6,
  Denied: 7,
  Unsupported: 8,
  Refused: 8,
  NameInvalid: 9,
  TagInvalid: 9,
  DigestInvalid: 9,
  SizeInvalid: 9,
  RangeInvalid: 9,
  BlobUploadInvalid: 9,
  ManifestInvalid: 9,
  ManifestUnverified: 9,
  ManifestBlobUnknown: 9,
  BodyFailed: 10,
  TagConflict: 11,
  PartialFailure: 12
}

/** Returns the failures among the outcomes of members. */
export const of = (outcomes: ReadonlyArray<Outcome<unknown>>): ReadonlyArray<MemberError> =>
  outcomes.flatMap(({ answer, name }) => answer._tag === "Left" ? [{ name, error: answer.left }] : [])

/** Returns the reason of an error, without the operation. */
const reasonOf = (error: RegistryError.RegistryError): string =>
  error.reason === undefined || error.reason === "" ? RegistryError[error._tag].fallback : error.reason

/** Returns the errors of all members in one line. */
export const describe = (errors: ReadonlyArray<MemberError>): string =>
  errors.map(({ error, name }) => `${name}: ${reasonOf(error)}`).join("; ")

const furthest = (best: RegistryError.RegistryError, error: RegistryError.RegistryError): RegistryError.RegistryError =>
  errorRank[error._tag] > errorRank[best._tag] ? error : best

/**
 * Combines the failures of several members into one error, whose reason contains the answer of each member. The result
 * is the error of the member that got furthest; among equals, the first. Not-found errors rank lowest, because a member
 * that could not be asked may have the content. `decisive` is the error that ended the search, and is the result if it
 * is set.
 */
export const combine = (
  operation: Operation.Operation,
  errors: ReadonlyArray<MemberError>,
  decisive?: RegistryError.RegistryError
): RegistryError.RegistryError => {
  const error = decisive ?? errors.map(({ error }) => error).reduce(furthest)
  if (errors.length === 1) return error
  return RegistryError.withFields(error, { ...Operation.errorFields(operation), reason: describe(errors) })
}
