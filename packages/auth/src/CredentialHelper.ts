/**
 * Credential helpers: programs called `docker-credential-…` that store credentials.
 *
 * @since 0.1.0
 */
import { printable } from "@effect-oci/core/Printable"
import { CredentialError } from "@effect-oci/core/RegistryError"
import { format } from "@effect-oci/transport/Origin"
import type { Origin } from "@effect-oci/transport/Origin"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Credential from "./Credential.js"
import { helperKey } from "./internal/hostKey.js"

/**
 * A program to run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  /** The standard input of the program. */
  readonly input: string
  /** The maximum size of the program's output, in bytes. */
  readonly maxBytes: number
}

/**
 * The result of a program that has ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ended {
  readonly exitCode: number
  /** The standard output of the program. */
  readonly output: string
}

/**
 * Runs programs without a shell. Interruption kills the program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runner {
  readonly run: (command: Command) => Effect.Effect<Ended, CredentialError>
}

/**
 * The runner for helpers. Default: a runner that fails with a `CredentialError`, because some platforms cannot start
 * programs. For Node, provide `NodeCredentials.layerHelperRunner`.
 *
 * @since 0.1.0
 * @category services
 */
export class HelperRunner extends Context.Reference<HelperRunner>()("@effect-oci/auth/HelperRunner", {
  defaultValue: (): Runner => ({
    run: ({ program }) =>
      new CredentialError({
        reason:
          `${program} cannot be run on this platform: provide a HelperRunner, for Node NodeCredentials.layerHelperRunner`
      })
  })
}) {}

/**
 * The default timeout of a helper: 60 seconds, because a user may have to type a PIN or sign in.
 *
 * @since 0.1.0
 * @category constants
 */
export const timeout = "60 seconds"

/**
 * The maximum size of a helper's output, in bytes: 64 KiB.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxBytes = 64 * 1024

const validName = /^[A-Za-z0-9._-]{1,100}$/

/**
 * Options for {@link get}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How long the helper may take.
   *
   * @default "60 seconds"
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Gets the credentials for a registry from a helper. Returns an empty entry if the helper has none. The user name
 * `<token>` means an identity token. Fails with a `CredentialError` otherwise. If the helper failed, the error contains
 * the text that the helper wrote to standard output: at most 300 characters, without control characters, and never a
 * secret.
 *
 * @since 0.1.0
 * @category combinators
 */
export const get = (
  runner: Runner,
  name: string,
  origin: Origin,
  options?: Options
): Effect.Effect<Credential.Entry, CredentialError> => {
  if (!validName.test(name)) {
    return new CredentialError({
      reason: "the name of a credential helper may contain letters, digits, dots, dashes and underscores only"
    })
  }
  const program = `docker-credential-${name}`
  const duration = Duration.decode(options?.timeout ?? timeout)
  const failed = (reason: string) =>
    new CredentialError({ reason: `cannot get the credentials of ${format(origin)} from ${program}: ${reason}` })
  const key = helperKey(origin)
  return runner.run({ program, args: ["get"], input: key, maxBytes }).pipe(
    Effect.timeoutFail({
      duration,
      onTimeout: () =>
        failed(
          `it did not answer within ${Duration.format(duration)}; unlock its store, or raise the helper's time-out`
        )
    }),
    Effect.flatMap(({ exitCode, output }) => {
      if (exitCode === 0) {
        const entry = entryOf(output)
        return entry === undefined
          ? failed(`it answered without a user and a secret; see what "echo ${key} | ${program} get" writes`)
          : Effect.map(entry, (found) => Credential.withSource(found, `${program}, key ${key}`))
      }
      if (/credentials not found/i.test(output)) return Effect.succeed([])
      const text = messageOf(output)
      return failed(
        text === ""
          ? `it failed with exit code ${exitCode}; see what "echo ${key} | ${program} get" writes`
          : `it failed with exit code ${exitCode} (${text}); log in to ${key} again`
      )
    })
  )
}

/** Returns the text that a helper wrote about its failure. Empty if it wrote credentials. */
const messageOf = (output: string): string =>
  /"secret"\s*:/i.test(output) ? "" : printable(output.trim().replace(/\s+/g, " "), 300)

/** Parses the output of a helper. Most helpers are Go programs: `null` means an empty text. */
const entryOf = (output: string): Effect.Effect<Credential.Entry> | undefined => {
  const json = Either.getOrUndefined(Either.try((): unknown => JSON.parse(output)))
  if (!Predicate.hasProperty(json, "Username") || !Predicate.hasProperty(json, "Secret")) return undefined
  const username = json.Username ?? ""
  const secret = json.Secret ?? ""
  if (typeof username !== "string" || typeof secret !== "string") return undefined
  if (secret === "") return Effect.succeed([])
  return Effect.succeed([
    username === "<token>" ? Credential.identityToken(secret) : Credential.basic(username, secret)
  ])
}
