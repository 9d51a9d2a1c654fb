/**
 * Credential helpers: programs by the name of `docker-credential-…` that keep credentials.
 *
 * @since 0.1.0
 */
import { CredentialError } from "@effect-oci/core/RegistryError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Credential from "./Credential.js"
import { helperKey } from "./internal/hostKey.js"
import { format } from "./Origin.js"
import type { Origin } from "./Origin.js"

/**
 * A program to run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  /** Its standard input. */
  readonly input: string
  /** The most that it may write, in bytes. */
  readonly maxBytes: number
}

/**
 * How a program ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ended {
  readonly exitCode: number
  /** Its standard output. */
  readonly output: string
}

/**
 * How programs are run: never by a shell. One that is interrupted ends its program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runner {
  readonly run: (command: Command) => Effect.Effect<Ended, CredentialError>
}

/**
 * What runs the helpers: nothing unless it is provided, since not every platform has programs. In Node:
 * `NodeCredentials.layerHelperRunner`.
 *
 * @since 0.1.0
 * @category services
 */
export class HelperRunner extends Context.Reference<HelperRunner>()("@effect-oci/auth/HelperRunner", {
  defaultValue: (): Runner => ({
    run: ({ program }) =>
      new CredentialError({
        reason: `${program} cannot be run here: provide a HelperRunner, in Node that of NodeCredentials`
      })
  })
}) {}

/**
 * How long a helper may take: 5 seconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const timeout = "5 seconds"

/**
 * The most that a helper may write, in bytes: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxBytes = 64 * 1024

const validName = /^[A-Za-z0-9._-]{1,100}$/

/**
 * Asks a helper for the credentials of a registry: empty where it has none. Whatever else goes wrong is a
 * `CredentialError`, which says nothing of what the helper wrote. A user called `<token>` means an identity token.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (
  runner: Runner,
  name: string,
  origin: Origin
): Effect.Effect<Credential.Entry, CredentialError> => {
  if (!validName.test(name)) {
    return new CredentialError({
      reason: "the name of a credential helper may hold letters, digits, dots, dashes and underscores only"
    })
  }
  const program = `docker-credential-${name}`
  const failed = (reason: string) =>
    new CredentialError({ reason: `${program}, asked for the credentials of ${format(origin)}, ${reason}` })
  return runner.run({ program, args: ["get"], input: helperKey(origin), maxBytes }).pipe(
    Effect.timeoutFail({ duration: timeout, onTimeout: () => failed(`did not answer within ${timeout}`) }),
    Effect.flatMap(({ exitCode, output }) => {
      if (exitCode !== 0) {
        return /credentials not found/i.test(output) ? Effect.succeed([]) : failed(`failed with exit code ${exitCode}`)
      }
      return entryOf(output) ?? failed("gave an answer that is none of a credential helper")
    })
  )
}

const entryOf = (output: string): Effect.Effect<Credential.Entry> | undefined => {
  const json = Either.getOrUndefined(Either.try((): unknown => JSON.parse(output)))
  if (!Predicate.hasProperty(json, "Username") || !Predicate.hasProperty(json, "Secret")) return undefined
  const { Secret: secret, Username: username } = json
  if (typeof username !== "string" || typeof secret !== "string") return undefined
  if (secret === "") return Effect.succeed([])
  return Effect.succeed([
    username === "<token>" ? Credential.identityToken(secret) : Credential.basic(username, secret)
  ])
}
