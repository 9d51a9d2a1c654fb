/**
 * The files in which Docker and Podman keep credentials.
 *
 * @since 0.1.0
 */
import { CredentialError } from "@effect-oci/core/RegistryError"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Predicate from "effect/Predicate"
import * as Credential from "./Credential.js"
import { candidates, normalise } from "./internal/hostKey.js"
import type { Origin } from "./Origin.js"

/**
 * What such a file says, under `host[:port][/path]`.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerConfig {
  readonly auths: ReadonlyMap<string, Credential.Entry>
  /** Which helper knows the credentials of a host; none does where the name is empty. */
  readonly credHelpers: ReadonlyMap<string, string>
  /** The helper that knows those of all other hosts. */
  readonly credsStore: string | undefined
}

/**
 * Reads a file. One that is malformed is a `CredentialError` that says `name`, and nothing of what is in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string, name: string): Either.Either<DockerConfig, CredentialError> => {
  const invalid = (reason: string) =>
    new CredentialError({ reason: `${name} is no configuration of Docker or Podman: ${reason}; correct or remove it` })
  return Either.gen(function*() {
    const json = yield* Either.try({ try: (): unknown => JSON.parse(text), catch: () => invalid("it is no JSON") })
    if (!isObject(json)) return yield* Either.left(invalid("it is no JSON object"))
    const { auths = {}, credHelpers = {}, credsStore = "" } = json
    if (!isObject(auths)) return yield* Either.left(invalid("`auths` is no object"))
    if (!isObject(credHelpers)) return yield* Either.left(invalid("`credHelpers` is no object"))
    if (typeof credsStore !== "string") return yield* Either.left(invalid("`credsStore` is no string"))
    const entries = new Map<string, Credential.Entry>()
    for (const [key, value] of Object.entries(auths)) {
      const entry = entryOf(value)
      if (entry === undefined) return yield* Either.left(invalid("an entry of `auths` is malformed"))
      const host = normalise(key)
      // Docker writes an empty entry for what a helper keeps.
      if (host !== undefined && entry.length > 0 && !entries.has(host)) entries.set(host, entry)
    }
    const helpers = new Map<string, string>()
    for (const [key, value] of Object.entries(credHelpers)) {
      if (typeof value !== "string") return yield* Either.left(invalid("an entry of `credHelpers` is no string"))
      const host = normalise(key)
      if (host !== undefined && !helpers.has(host)) helpers.set(host, value)
    }
    return { auths: entries, credHelpers: helpers, credsStore: credsStore === "" ? undefined : credsStore }
  })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isReadonlyRecord(value) && !Array.isArray(value)

/** What an entry of `auths` holds, the strongest first; `undefined` for a malformed one. */
const entryOf = (value: unknown): Credential.Entry | undefined => {
  if (!isObject(value)) return undefined
  const { auth = "", identitytoken = "", password = "", registrytoken = "", username = "" } = value
  const isText = [auth, identitytoken, password, registrytoken, username].every(Predicate.isString)
  const pair = auth === "" ? [username, password] : userAndPassword(String(auth))
  if (!isText || pair === undefined) return undefined
  const [user, secret] = pair.map(String)
  return [
    ...(registrytoken === "" ? [] : [Credential.registryToken(String(registrytoken))]),
    ...(identitytoken === "" ? [] : [Credential.identityToken(String(identitytoken))]),
    ...(user === "" || secret === "" ? [] : [Credential.basic(user!, secret!)])
  ]
}

/** `user:password` in base64. The password may hold colons; some programs have padded it with NULs. */
const userAndPassword = (auth: string): readonly [string, string] | undefined => {
  const text = Either.getOrUndefined(Encoding.decodeBase64String(padded(auth.trim())))
  const colon = text?.indexOf(":") ?? -1
  return text === undefined || colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, "")]
}

const padded = (base64: string): string => base64.padEnd(Math.ceil(base64.length / 4) * 4, "=")

/**
 * What the first file says that says anything of the key nearest to a repository: its own path, each path above it, its
 * host.
 *
 * @since 0.1.0
 * @category destructors
 */
export const entry = (
  files: ReadonlyArray<DockerConfig>,
  origin: Origin,
  repository?: string
): Credential.Entry => {
  for (const key of candidates(origin, repository)) {
    for (const { auths } of files) {
      const entry = auths.get(key)
      if (entry !== undefined) return entry
    }
  }
  return []
}

/**
 * The name of the helper that knows the credentials of a registry, if one does: that of its host, else that of all.
 *
 * @since 0.1.0
 * @category destructors
 */
export const helper = (files: ReadonlyArray<DockerConfig>, origin: Origin): string | undefined => {
  for (const key of candidates(origin, undefined)) {
    for (const { credHelpers } of files) {
      const name = credHelpers.get(key)
      if (name !== undefined) return name === "" ? undefined : name
    }
  }
  return files.find(({ credsStore }) => credsStore !== undefined)?.credsStore
}
