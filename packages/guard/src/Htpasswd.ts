/**
 * The users of an htpasswd file whose passwords are hashed with bcrypt, as `htpasswd -B` of Apache writes it.
 *
 * @since 0.1.0
 */
import * as Answer from "@effect-oci/core/Answer"
import * as Caller from "@effect-oci/core/Caller"
import * as Digest from "@effect-oci/core/Digest"
import { LruMap } from "@effect-oci/core/LruMap"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { getRounds } from "bcryptjs"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Bcrypt from "./Bcrypt.js"
import { FairQueue } from "./internal/fairQueue.js"
import type { Owner } from "./internal/fairQueue.js"
import * as SecretHash from "./internal/secretHash.js"
import { TokenBuckets } from "./internal/tokenBuckets.js"
import type { Account, Users } from "./Users.js"

/**
 * An htpasswd file cannot be used. `line` is the number of the malformed line, from 1, or `undefined` if the problem is
 * the file itself. The error contains no content of the file.
 *
 * @since 0.1.0
 * @category errors
 */
export class HtpasswdInvalid extends Data.TaggedError("OciHtpasswdInvalid")<{
  readonly file: string
  readonly line: number | undefined
  readonly reason: string
}> {
  override get message(): string {
    return `${this.file}${this.line === undefined ? "" : `, line ${this.line}`}: ${this.reason}`
  }
}

/**
 * A user of the file: the name, the hash of the password, and the cost of the hash.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly name: string
  readonly hash: Redacted.Redacted<string>
  /** The base-2 logarithm of the number of rounds. */
  readonly cost: number
}

/** A bcrypt hash, in the three equivalent spellings of its prefix. */
const bcryptForm = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/

/** Each increment doubles the time of a comparison. A comparison with this cost takes some seconds. */
const maxCost = 16

const maxNameLength = 255

/** Hash formats that are not supported, named in the error message. */
const schemes: ReadonlyArray<readonly [start: string, name: string]> = [
  ["$apr1$", "MD5"],
  ["{SHA}", "SHA-1"],
  ["$1$", "MD5"],
  ["$5$", "SHA-256"],
  ["$6$", "SHA-512"],
  ["$argon2", "Argon2"]
]

const problemOf = (name: string, hash: string): string | undefined => {
  if (name === "" || name.length > maxNameLength || /\p{Cc}/u.test(name)) {
    return `a user's name has 1 to ${maxNameLength} characters, none of them a control character`
  }
  const cost = Number(bcryptForm.exec(hash)?.[1] ?? 0)
  if (cost >= 4 && cost <= maxCost) return undefined
  if (cost !== 0) return `the cost of the password's hash is not between 4 and ${maxCost}`
  const scheme = schemes.find(([start]) => hash.startsWith(start))?.[1]
  return `the password is ${
    scheme === undefined ? "not hashed with bcrypt" : `hashed with ${scheme}`
  }, and only bcrypt is supported: set it again with htpasswd -B`
}

/**
 * Parses the text of an htpasswd file: `name:hash` on each line. Empty lines, and lines that begin with `#`, are
 * ignored. Errors call the file `file`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string, file: string): Either.Either<ReadonlyMap<string, Entry>, HtpasswdInvalid> => {
  const entries = new Map<string, Entry>()
  const invalid = (line: number, reason: string) => Either.left(new HtpasswdInvalid({ file, line, reason }))
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#")) continue
    const colon = line.indexOf(":")
    if (colon < 0) return invalid(index + 1, "the line is not name:hash")
    const name = line.slice(0, colon)
    const hash = line.slice(colon + 1)
    const problem = problemOf(name, hash)
    if (problem !== undefined) return invalid(index + 1, problem)
    if (entries.has(name)) return invalid(index + 1, "an earlier line has the same user")
    entries.set(name, { name, hash: Redacted.make(hash), cost: getRounds(hash) })
  }
  return Either.right(entries)
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The path of the file. */
  readonly path: string
  /**
   * How often the file is checked for changes. If the file becomes malformed, the users remain as they were.
   *
   * @default "5 seconds"
   */
  readonly reloadEvery?: Duration.DurationInput | undefined
  /**
   * The number of wrong passwords of one user that are compared within a `window`.
   *
   * @default 10
   */
  readonly maxFailures?: number | undefined
  /**
   * The number of wrong passwords from one address that are compared within a `window`.
   *
   * @default 50
   */
  readonly maxFailuresPerAddress?: number | undefined
  /**
   * The time after which the full number of wrong passwords is compared again.
   *
   * @default "1 minute"
   */
  readonly window?: Duration.DurationInput | undefined
}

/** The maximum size of a file, in bytes. */
const maxBytes = 1024 * 1024

/** The capacity of each table: users, addresses, right passwords. */
const capacity = 10_000

/** The number of passwords that are compared or wait, in total. */
const maxWaiting = 64

/** A hash to compare with if the user does not exist. No password has this hash. */
const dummyHash = (cost: number): string => `$2b$${String(cost).padStart(2, "0")}$${".".repeat(53)}`

const read = (path: string): Effect.Effect<string, HtpasswdInvalid | PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const { size } = yield* files.stat(path)
    if (size <= maxBytes) return yield* files.readFileString(path)
    const reason = `the file has more than ${maxBytes} bytes`
    return yield* new HtpasswdInvalid({ file: path, line: undefined, reason })
  })

/** Returns a function that returns the current users of a file. The file is read again at an interval. */
const watchUsers = (path: string, every: Duration.DurationInput) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<FileSystem.FileSystem>()
    let text = yield* read(path)
    let entries = yield* parse(text, path)
    let lastError = ""
    const reload = Effect.gen(function*() {
      const found = yield* read(path)
      if (found === text) return
      entries = yield* parse(found, path)
      text = found
      lastError = ""
      yield* Effect.logInfo("users reloaded").pipe(Effect.annotateLogs({ file: path, users: entries.size }))
    })
    yield* reload.pipe(
      Effect.catchAll((error) => {
        if (error.message === lastError) return Effect.void
        lastError = error.message
        return Effect.annotateLogs(Effect.logError("users not reloaded"), { reason: error.message })
      }),
      Effect.schedule(Schedule.spaced(every)),
      Effect.provide(context),
      Effect.forkScoped
    )
    return () => entries
  })

/**
 * Returns a function that returns the account of an entry. The version of an account is the same on every server that
 * reads the file. The hash of a bcrypt hash does not reveal the password.
 */
const accountsOf = () => {
  const accounts = new WeakMap<Entry, Account>()
  return (entry: Entry): Account => {
    const known = accounts.get(entry)
    if (known !== undefined) return known
    const version = Digest.fromBytes(new TextEncoder().encode(Redacted.value(entry.hash)))
    const created: Account = { identity: { name: entry.name, claims: {} }, version }
    accounts.set(entry, created)
    return created
  }
}

const tooManyWrong = (retryAfter: number) =>
  Answer.fail(new RegistryError.TooManyRequests({ reason: "too many wrong passwords: try again later", retryAfter }))

const busy = Answer.fail(
  new RegistryError.Unavailable({ reason: "too many passwords are being checked: try again", retryAfter: 1000 })
)

const unauthorized = (reason: string) => Answer.fail(new RegistryError.Unauthorized({ reason }))

/**
 * The error for a password that bcrypt cannot hash as a whole. No user has such a password, so the error may say so.
 */
const unhashablePassword = unauthorized(`a password has at most ${Bcrypt.maxPasswordBytes} bytes, none of them NUL`)

const wrongPassword = unauthorized("the user name or the password is wrong")

/**
 * Creates the users of an htpasswd file, until the scope closes. Fails if the file cannot be read or is malformed. On
 * Node, use `NodeHtpasswd.make`: `Htpasswd.make` compares passwords on the thread that serves requests.
 *
 * - A right password is remembered by a keyed hash, so that bcrypt runs once for each password and address.
 * - An unknown user name costs as much time as the most expensive user of the file.
 * - A password of more than 72 bytes, or with a NUL, is refused, because bcrypt does not distinguish it from others.
 * - After too many wrong passwords, the user gets `TooManyRequests` for a while, except with a remembered password.
 *   After too many wrong passwords from one address (for IPv6: from its network of 64 bits), that address gets
 *   `TooManyRequests`.
 * - At most 64 passwords are compared or wait, and addresses take turns. When the queue is full, an address with few
 *   attempts takes the last place of the address with the most attempts. An address that sent a right password before
 *   takes the place of an address that did not. An attempt without a place fails with `Unavailable`.
 *
 * All tables are bounded.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Guard, Htpasswd } from "@effect-oci/guard"
 * import { Effect } from "effect"
 *
 * const guard = Effect.map(Htpasswd.make({ path: "/etc/registry/htpasswd" }), (users) => Guard.make({ users }))
 * ```
 */
export const make = (
  options: Options
): Effect.Effect<Users, HtpasswdInvalid | PlatformError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const entries = yield* watchUsers(options.path, options.reloadEvery ?? "5 seconds")
    const clock = yield* Effect.clock
    const bcrypt = yield* Bcrypt.Bcrypt
    const queue = new FairQueue({ concurrency: bcrypt.concurrency, capacity: maxWaiting })
    const hashSecret = SecretHash.make()
    const verifiedPasswords = new LruMap<string, string>(capacity)
    const knownAddresses = new LruMap<string, number>(capacity)
    const windowMillis = Duration.toMillis(options.window ?? "1 minute")
    const buckets = (attempts: number) =>
      new TokenBuckets({ capacity: attempts, perMilli: attempts / windowMillis }, capacity)
    const perUser = buckets(options.maxFailures ?? 10)
    const perAddress = buckets(options.maxFailuresPerAddress ?? 50)
    const account = accountsOf()

    const check: Users["check"] = ({ address, password, username }) => {
      const secret = Redacted.value(password)
      if (!Bcrypt.isHashedWhole(secret)) return unhashablePassword
      const network = address === undefined ? undefined : Caller.networkOf(address)
      const user = username.slice(0, maxNameLength)
      const entry = entries().get(username)
      const key = hashSecret(username, secret, network ?? "")
      const now = clock.unsafeCurrentTimeMillis()
      const tooMany = network === undefined ? perUser.wait(user, now) : perAddress.wait(network, now)
      if (tooMany > 0) return tooManyWrong(tooMany)
      if (entry !== undefined && verifiedPasswords.get(key) === Redacted.value(entry.hash)) {
        return Answer.succeed(account(entry))
      }
      const owner: Owner = network === undefined
        ? { key: `user ${user}`, isKnown: false }
        : { key: network, isKnown: knownAddresses.get(network) !== undefined }
      return Effect.suspend((): ReturnType<Users["check"]> => {
        // An attempt counts before its result is known: otherwise many concurrent attempts would all be compared. It
        // counts for the address even if it is not compared: otherwise a remembered password would distinguish right
        // from wrong.
        if (network !== undefined) perAddress.take(network, now)
        const wait = perUser.wait(user, now)
        if (wait > 0) return tooManyWrong(wait)
        // An attempt without a place does not count for the user: otherwise invented user names would evict real ones
        // from the table.
        if (!queue.hasRoom(owner)) return busy
        perUser.take(user, now)
        const hash = entry === undefined ? dummyHash(costOf(entries())) : Redacted.value(entry.hash)
        const giveBack = () => {
          const now = clock.unsafeCurrentTimeMillis()
          perUser.giveBack(user, now)
          if (network !== undefined) perAddress.giveBack(network, now)
        }
        return Effect.matchEffect(queue.run(owner, bcrypt.compare(secret, hash)), {
          onFailure: () => {
            giveBack()
            return busy
          },
          onSuccess: (isSame) => {
            if (!isSame || entry === undefined) return wrongPassword
            verifiedPasswords.set(key, hash)
            if (network !== undefined) knownAddresses.set(network, 1)
            giveBack()
            return Answer.succeed(account(entry))
          }
        })
      })
    }

    const find: Users["find"] = (username) => {
      const entry = entries().get(username)
      return Answer.succeed(entry === undefined ? undefined : account(entry))
    }

    return { check, find }
  })

/** Returns the highest cost in the file. A comparison for an unknown user has the same cost. */
const costOf = (entries: ReadonlyMap<string, Entry>): number =>
  entries.size === 0 ? 10 : Math.max(...Array.from(entries.values(), ({ cost }) => cost))
