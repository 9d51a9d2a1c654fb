import { Operation, RegistryError } from "@effect-oci/core"

/** What a member answered that did not do what was asked. */
export interface Attempt {
  readonly name: string
  readonly error: RegistryError.RegistryError
}

/** How far each kind of failure got: to nothing, not to the registry, past its door, to what was asked for. */
const reach: { readonly [Tag in RegistryError.RegistryError["_tag"]]: number } = {
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

/** Why, in words that do not repeat what was asked. */
const said = (error: RegistryError.RegistryError): string =>
  error.reason === undefined || error.reason === "" ? RegistryError[error._tag].fallback : error.reason

/** What each member answered, in a line. */
export const told = (attempts: ReadonlyArray<Attempt>): string =>
  attempts.map(({ error, name }) => `${name}: ${said(error)}`).join("; ")

/**
 * The failures of several members as one, which tells what each has answered: that of the member that got furthest, of
 * those the first. That nothing is there comes last, since whoever could not be asked may have it. `decisive` is one that
 * counts for itself, as it ended the search.
 */
export const asOne = (
  operation: Operation.Operation,
  attempts: ReadonlyArray<Attempt>,
  decisive?: RegistryError.RegistryError
): RegistryError.RegistryError => {
  const errors = attempts.map(({ error }) => error)
  const error = decisive ?? errors.reduce((best, error) => reach[error._tag] > reach[best._tag] ? error : best)
  if (attempts.length === 1) return error
  return RegistryError.withFields(error, { ...Operation.errorFields(operation), reason: told(attempts) })
}
