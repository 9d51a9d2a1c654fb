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
  OciNameUnknown: 0,
  OciBlobUnknown: 1,
  OciBlobUploadUnknown: 1,
  OciManifestUnknown: 1,
  OciTransportError: 2,
  OciCredentialError: 3,
  OciRealmRefused: 3,
  OciResponseInvalid: 4,
  OciTooManyRequests: 5,
  OciUnavailable: 5,
  OciUnknownCode: 5,
  OciUnauthorized: 6,
  OciDenied: 7,
  OciUnsupported: 8,
  OciRefused: 8,
  OciNameInvalid: 9,
  OciTagInvalid: 9,
  OciDigestInvalid: 9,
  OciSizeInvalid: 9,
  OciRangeInvalid: 9,
  OciBlobUploadInvalid: 9,
  OciManifestInvalid: 9,
  OciManifestUnverified: 9,
  OciManifestBlobUnknown: 9,
  OciBodyFailed: 10,
  OciTagConflict: 11,
  OciPartialFailure: 12
}

/** Returns the failures among the outcomes of members. */
export const of = (outcomes: ReadonlyArray<Outcome<unknown>>): ReadonlyArray<MemberError> =>
  outcomes.flatMap(({ answer, name }) => answer._tag === "Left" ? [{ name, error: answer.left }] : [])

/** Returns the errors of all members in one line. */
export const describe = (errors: ReadonlyArray<MemberError>): string =>
  errors.map(({ error, name }) => `${name}: ${RegistryError.reason(error)}`).join("; ")

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
