/** Decides who may do what. The users and the hashes of their passwords are in a secret of the worker. */
import { Digest, RegistryError } from "@effect-oci/core"
import { Guard, Policy, type Users } from "@effect-oci/guard"
import { Effect, Redacted } from "effect"

/** The bindings of the worker that say who may do what. */
export interface Bindings {
  /** A user on each line: the name, a colon, and `sha256:` with the hash of the password, which is long and random. */
  readonly USERS: string
  /** The users who may do everything, separated by spaces. */
  readonly ADMINS?: string
  /** The first parts of the repositories that everyone may pull from, separated by spaces. */
  readonly PUBLIC?: string
}

const wordsOf = (text: string | undefined): ReadonlyArray<string> =>
  text?.split(/\s+/).filter((word) => word !== "") ?? []

const wrong = new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })

/**
 * Creates the users of a text. A password is compared by one hash: a slow hash would cost more time than a worker has,
 * and a random password of 32 characters cannot be guessed however fast its hash is.
 */
const usersOf = (text: string): Users.Users => {
  const passwords = new Map(
    wordsOf(text).map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon), line.slice(colon + 1)] as const
    })
  )
  const accountOf = (name: string): Users.Account => ({ identity: { name, claims: {} }, version: passwords.get(name)! })
  return {
    check: ({ password, username }) =>
      passwords.get(username) === Digest.fromBytes(new TextEncoder().encode(Redacted.value(password)))
        ? Effect.succeed(accountOf(username))
        : Effect.fail(wrong),
    find: (name) => Effect.succeed(passwords.has(name) ? accountOf(name) : undefined)
  }
}

/** Users may do everything in the repositories below their own name. Change this function to change the policy. */
const policyOf = ({ ADMINS, PUBLIC }: Bindings): Policy.Policy =>
  Policy.make(({ name }, { action, resource, type }) => {
    if (name !== undefined && wordsOf(ADMINS).includes(name)) return true
    const [first = ""] = resource.split("/")
    return type === "repository" && (first === name || (action === "pull" && wordsOf(PUBLIC).includes(first)))
  })

export const guardOf = (bindings: Bindings): Guard.Guard =>
  Guard.make({ users: usersOf(bindings.USERS), policy: policyOf(bindings) })
