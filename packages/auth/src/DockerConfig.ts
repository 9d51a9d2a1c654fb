/**
 * The files in which Docker and Podman store credentials.
 *
 * @since 0.1.0
 */
import { printable } from "@effect-oci/core/Printable"
import { CredentialError } from "@effect-oci/core/RegistryError"
import type { Origin } from "@effect-oci/transport/Origin"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import * as Credential from "./Credential.js"
import * as GoJson from "./internal/goJson.js"
import { candidates, normalise } from "./internal/hostKey.js"

/**
 * The content of a file. Keys are `host[:port][/path]`. A malformed entry is a `CredentialError` for its own key only.
 *
 * @since 0.1.0
 * @category models
 */
export interface DockerConfig {
  readonly auths: ReadonlyMap<string, Either.Either<Credential.Entry, CredentialError>>
  /** The name of the helper that stores the credentials of a host. An empty name means no helper. */
  readonly credHelpers: ReadonlyMap<string, Either.Either<string, CredentialError>>
  /** The name of the helper that stores the credentials of all other hosts. */
  readonly credsStore: string | undefined
}

/**
 * The longest `auth` of an entry, in characters: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxAuthLength = 64 * 1024

const File = Schema.Struct({
  auths: GoJson.object("`auths` is not an object"),
  credhelpers: GoJson.object("`credHelpers` is not an object"),
  credsstore: GoJson.text("`credsStore` is not a string")
})

const wrongField = (name: string) => GoJson.text(`has a field \`${name}\` that is not a string`)

/** An entry of `auths`. */
const Auth = Schema.Struct({
  auth: wrongField("auth"),
  identitytoken: wrongField("identitytoken"),
  password: wrongField("password"),
  registrytoken: wrongField("registrytoken"),
  username: wrongField("username")
})

/**
 * Parses a file as the Docker command parses it: field names match in any case, `null` is the same as absent, line
 * breaks within base64 are skipped, and unknown fields are ignored. In addition, `parse` accepts a byte-order mark at
 * the start, and base64 without padding.
 *
 * Fails with a `CredentialError` if the text is not JSON, or if `auths`, `credHelpers` or `credsStore` has the wrong
 * type. A malformed entry fails only for its own key. Errors name the file (`name`) and the key, and never contain a
 * value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string, name: string): Either.Either<DockerConfig, CredentialError> => {
  const invalid = (reason: string) =>
    new CredentialError({ reason: `cannot read credentials from ${name}: ${reason}; correct or remove it` })
  return Either.gen(function*() {
    const json = yield* Either.try({
      try: (): unknown => JSON.parse(text.replace(/^\uFEFF/, "")),
      catch: () => invalid("the file is not JSON")
    })
    const file = yield* Either.mapLeft(GoJson.decode(File, json, "the file is not a JSON object"), invalid)
    const entryOf = <A>(list: string, key: string, entry: Either.Either<A, string>) =>
      Either.mapLeft(entry, (problem) => invalid(`the entry "${printable(key, 200)}" of \`${list}\` ${problem}`))
    return {
      auths: byHost(file.auths, (value, key) => {
        const entry = credentialsOf(value)
        // Docker writes an empty entry for credentials that a helper stores.
        return Either.isRight(entry) && entry.right.length === 0
          ? undefined
          : entryOf("auths", key, Either.map(entry, (each) => Credential.withSource(each, `${name}, key ${key}`)))
      }),
      credHelpers: byHost(
        file.credhelpers,
        (value, key) =>
          entryOf(
            "credHelpers",
            key,
            typeof value === "string" || value === null ? Either.right(value ?? "") : Either.left("is not a string")
          )
      ),
      credsStore: file.credsstore === "" ? undefined : file.credsstore
    }
  })
}

/**
 * Returns the entries by the normalised spelling of their host. If two entries have the same host, the first counts.
 */
const byHost = <A>(
  entries: Readonly<Record<string, unknown>>,
  read: (value: unknown, key: string) => A | undefined
): ReadonlyMap<string, A> => {
  const found = new Map<string, A>()
  for (const [key, value] of Object.entries(entries)) {
    const host = normalise(key)
    if (host === undefined || found.has(host)) continue
    const entry = read(value, key)
    if (entry !== undefined) found.set(host, entry)
  }
  return found
}

/** Returns the credentials of an entry of `auths`, the strongest first. Fails with the end of a sentence about it. */
const credentialsOf = (value: unknown): Either.Either<Credential.Entry, string> =>
  Either.gen(function*() {
    const { auth, identitytoken, password, registrytoken, username } = yield* GoJson.decode(
      Auth,
      value,
      "is not an object"
    )
    const [user, secret] = auth === "" ? [username, password] : yield* userAndPassword(auth)
    return [
      ...(registrytoken === "" ? [] : [Credential.registryToken(registrytoken)]),
      ...(identitytoken === "" ? [] : [Credential.identityToken(identitytoken)]),
      ...(user === "" || secret === "" ? [] : [Credential.basic(user, secret)])
    ]
  })

/** Decodes `user:password` from base64. The password may contain colons. Some programs pad the password with NULs. */
const userAndPassword = (auth: string): Either.Either<readonly [string, string], string> => {
  if (auth.length > maxAuthLength) return Either.left(`has an \`auth\` of more than ${maxAuthLength} characters`)
  const text = Either.getOrUndefined(Encoding.decodeBase64String(padded(auth.replace(/[\r\n]/g, "").trim())))
  if (text === undefined) return Either.left("has an `auth` that is not base64")
  const colon = text.indexOf(":")
  return colon < 0
    ? Either.left("has an `auth` without a colon between user and password")
    : Either.right([text.slice(0, colon), withoutNuls(text.slice(colon + 1))])
}

const padded = (base64: string): string => base64.padEnd(Math.ceil(base64.length / 4) * 4, "=")

/** Removes the NULs at both ends, in linear time. */
const withoutNuls = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && text[start] === "\0") start++
  while (end > start && text[end - 1] === "\0") end--
  return text.slice(start, end)
}

/**
 * Returns the credentials for a repository: the entry with the nearest key (the repository, then each path above it,
 * then the host), in the first file that has that key. Fails if that entry is malformed.
 *
 * @since 0.1.0
 * @category destructors
 */
export const entry = (
  files: ReadonlyArray<DockerConfig>,
  origin: Origin,
  repository?: string
): Either.Either<Credential.Entry, CredentialError> => {
  for (const key of candidates(origin, repository)) {
    for (const { auths } of files) {
      const entry = auths.get(key)
      if (entry !== undefined) return entry
    }
  }
  return Either.right([])
}

/**
 * Returns the name of the helper that stores the credentials of a registry: the helper of its host, else the helper of
 * all hosts. Returns `undefined` if there is no helper. Fails if the entry of the host is malformed.
 *
 * @since 0.1.0
 * @category destructors
 */
export const helper = (
  files: ReadonlyArray<DockerConfig>,
  origin: Origin
): Either.Either<string | undefined, CredentialError> => {
  for (const key of candidates(origin, undefined)) {
    for (const { credHelpers } of files) {
      const name = credHelpers.get(key)
      if (name !== undefined) return Either.map(name, (name) => name === "" ? undefined : name)
    }
  }
  return Either.right(files.find(({ credsStore }) => credsStore !== undefined)?.credsStore)
}
