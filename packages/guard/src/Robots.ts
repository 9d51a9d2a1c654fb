/**
 * Robots: accounts of programs. A robot has a name, a secret, permissions of its own, and often an end.
 *
 * @since 0.1.0
 */
import * as Caller from "@effect-oci/core/Caller"
import * as Digest from "@effect-oci/core/Digest"
import { LruMap } from "@effect-oci/core/LruMap"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { TokenBuckets } from "./internal/tokenBuckets.js"
import * as Policy from "./Policy.js"
import type { Account, Users } from "./Users.js"

/**
 * A robot, without its secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface Robot {
  readonly name: string
  readonly description: string
  /** What the robot may do: see `Policy.parse`. */
  readonly permissions: string
  /** Times are in milliseconds since 1970. */
  readonly createdAt: number
  /** When its secret expires. `undefined` if it does not expire. */
  readonly expiresAt: number | undefined
  /** When the robot last logged in, to the minute. */
  readonly lastUsedAt: number | undefined
}

/**
 * A robot and its new secret. The secret is known only now: the registry keeps a hash of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Issued {
  /** The name to log in with: `robot+NAME`. */
  readonly username: string
  readonly secret: Redacted.Redacted<string>
}

/**
 * A table of robots that several servers share, such as `SqlRobots` of `@effect-oci/store-sql`. Any error makes the
 * server answer 503.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  /** Adds a robot, which lives for `lifetime` milliseconds. Returns `false` if a robot has this name. */
  readonly add: (robot: {
    readonly name: string
    readonly description: string
    readonly permissions: string
    readonly hash: string
    readonly lifetime: number | undefined
  }) => Effect.Effect<boolean, unknown>
  readonly find: (
    name: string
  ) => Effect.Effect<(Robot & { readonly hash: string; readonly isExpired: boolean }) | undefined, unknown>
  /** Returns at most `limit` robots in the order of their names, after a name. */
  readonly list: (after: string | undefined, limit: number) => Effect.Effect<ReadonlyArray<Robot>, unknown>
  /** Replaces the hash and the lifetime of a robot. Returns `false` if there is no such robot. */
  readonly renew: (
    robot: { readonly name: string; readonly hash: string; readonly lifetime: number | undefined }
  ) => Effect.Effect<boolean, unknown>
  readonly remove: (name: string) => Effect.Effect<boolean, unknown>
  readonly touch: (name: string) => Effect.Effect<void, unknown>
}

/**
 * The grammar of the name of a robot: at most 64 lower-case letters, digits and `-`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Name = Schema.String.pipe(Schema.pattern(/^[a-z0-9][a-z0-9-]{0,63}$/, { identifier: "RobotName" }))

/**
 * A robot with this name exists already.
 *
 * @since 0.1.0
 * @category errors
 */
export class RobotExists extends Data.TaggedError("OciRobotExists")<{ readonly name: string }> {
  override get message(): string {
    return `cannot create the robot "${this.name}": it exists; choose another name, or renew its secret`
  }
}

/**
 * No robot has this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class RobotUnknown extends Data.TaggedError("OciRobotUnknown")<{ readonly name: string }> {
  override get message(): string {
    return `there is no robot "${this.name}"`
  }
}

/**
 * Options for a new robot.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewRobot {
  /** At most 64 lower-case letters, digits and `-`. */
  readonly name: string
  readonly description?: string | undefined
  /** What the robot may do: see `Policy.parse`. In addition, it may do what everyone may do. */
  readonly permissions: string
  /** How long its secret is valid. Default: until the robot is removed. */
  readonly lifetime?: Duration.DurationInput | undefined
}

/**
 * The robots of a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Robots {
  /** The robots as users: the user name is `robot+NAME`, and the password is the secret. Combine them with others by `Users.route`. */
  readonly users: Users
  /** Creates a robot. Dies with a `RangeError` if its name is malformed. */
  readonly create: (
    robot: NewRobot
  ) => Effect.Effect<Issued, RobotExists | Policy.PermissionInvalid | RegistryError.Unavailable>
  readonly find: (name: string) => Effect.Effect<Robot, RobotUnknown | RegistryError.Unavailable>
  /** Returns at most 1000 robots in the order of their names, after a name. */
  readonly list: (after?: string) => Effect.Effect<ReadonlyArray<Robot>, RegistryError.Unavailable>
  /** Replaces the secret and the lifetime of a robot. The earlier secret is invalid at once. */
  readonly renew: (
    name: string,
    lifetime?: Duration.DurationInput
  ) => Effect.Effect<Issued, RobotUnknown | RegistryError.Unavailable>
  /** Removes a robot. Access tokens that were issued for it remain valid until they expire. */
  readonly remove: (name: string) => Effect.Effect<void, RobotUnknown | RegistryError.Unavailable>
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The number of wrong secrets from one address that are compared within a `window`.
   *
   * @default 50
   */
  readonly maxFailuresPerAddress?: number | undefined
  /**
   * The time after which the full number of wrong secrets is compared again.
   *
   * @default "1 minute"
   */
  readonly window?: Duration.DurationInput | undefined
}

/**
 * What the user name of a robot begins with. A shell leaves `+` unchanged, other than `$`.
 *
 * @since 0.1.0
 * @category constants
 */
export const prefix = "robot+"

/** The number of addresses and robots that are remembered. */
const capacity = 10_000

/** The maximum length of a secret, in characters. Issued secrets are shorter. */
const maxLength = 256

/** How often the use of a robot is recorded, in milliseconds. */
const touchEvery = 60_000

const pageSize = 1000

/** Returns 256 random bits, with a beginning by which scanners for leaked secrets find it. */
const randomSecret = () => `ocirobot_${Encoding.encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)))}`

/** A secret has 256 random bits, so that its SHA-256 does not reveal it. */
const hashOf = (secret: string): string => Digest.fromBytes(new TextEncoder().encode(secret))

const available = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, RegistryError.Unavailable> =>
  Effect.mapError(effect, (cause) => new RegistryError.Unavailable({ reason: "the robots cannot be reached", cause }))

const withoutHash = ({ createdAt, description, expiresAt, lastUsedAt, name, permissions }: Robot): Robot => ({
  name,
  description,
  permissions,
  createdAt,
  expiresAt,
  lastUsedAt
})

const millis = (lifetime: Duration.DurationInput | undefined) =>
  lifetime === undefined ? undefined : Math.min(Math.ceil(Duration.toMillis(lifetime)), 2 ** 52)

/** Creates the users of a table of robots. */
const usersOf = (table: Table, options: Options | undefined, clock: Clock.Clock): Users => {
  const attempts = options?.maxFailuresPerAddress ?? 50
  const windowMillis = Duration.toMillis(options?.window ?? "1 minute")
  const perAddress = new TokenBuckets({ capacity: attempts, perMilli: attempts / windowMillis }, capacity)
  const touched = new LruMap<string, number>(capacity)
  const wrong = new RegistryError.Unauthorized({ reason: "the user name or the password is wrong" })

  const accountOf = ({ hash, name, permissions }: Robot & { readonly hash: string }): Account => ({
    identity: { name: `${prefix}${name}`, claims: {} },
    version: hash,
    policy: Either.getOrElse(Policy.parse(permissions), () => Policy.make(() => false))
  })

  const valid = (username: string) =>
    Effect.map(
      username.startsWith(prefix) && Schema.is(Name)(username.slice(prefix.length))
        ? available(table.find(username.slice(prefix.length)))
        : Effect.succeed(undefined),
      (robot) => robot?.isExpired === false ? robot : undefined
    )

  const touch = (name: string, now: number) => {
    if (now - (touched.get(name) ?? -Infinity) < touchEvery) return Effect.void
    touched.set(name, now)
    return Effect.catchAll(
      available(table.touch(name)),
      (error) => Effect.logWarning("use of a robot not recorded", error)
    )
  }

  return {
    check: ({ address, password, username }) =>
      Effect.gen(function*() {
        const secret = Redacted.value(password)
        const key = address === undefined ? `user ${username.slice(0, 100)}` : Caller.networkOf(address)
        const now = clock.unsafeCurrentTimeMillis()
        const wait = perAddress.wait(key, now)
        if (wait > 0) {
          const reason = "too many wrong passwords: try again later"
          return yield* new RegistryError.TooManyRequests({ reason, retryAfter: wait })
        }
        // An attempt counts before its result is known: otherwise many attempts at the same time would be compared.
        perAddress.take(key, now)
        const giveBack = Effect.sync(() => perAddress.giveBack(key, now))
        const robot = secret.length > maxLength ? undefined : yield* Effect.tapError(valid(username), () => giveBack)
        if (robot === undefined || robot.hash !== hashOf(secret)) return yield* wrong
        yield* giveBack
        yield* touch(robot.name, now)
        return accountOf(robot)
      }),
    find: (username) => Effect.map(valid(username), (robot) => robot === undefined ? undefined : accountOf(robot))
  }
}

/**
 * Creates the robots of a table. After too many wrong secrets from one address, that address gets `TooManyRequests`. There
 * is no limit for each robot: a secret has 256 random bits, which no client guesses, and with such a limit other clients
 * could lock a robot out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (table: Table, options?: Options): Effect.Effect<Robots> =>
  Effect.map(Effect.clock, (clock): Robots => {
    const issue = <E>(name: string, store: (hash: string) => Effect.Effect<boolean, unknown>, refused: E) =>
      Effect.suspend((): Effect.Effect<Issued, E | RegistryError.Unavailable> => {
        const secret = randomSecret()
        return Effect.flatMap(
          available(store(hashOf(secret))),
          (done) =>
            done
              ? Effect.succeed({ username: `${prefix}${name}`, secret: Redacted.make(secret) })
              : Effect.fail(refused)
        )
      })

    return {
      users: usersOf(table, options, clock),
      create: ({ description = "", lifetime, name, permissions }) =>
        Effect.zipRight(
          Schema.is(Name)(name) ? Policy.parse(permissions) : Effect.die(new RangeError("malformed name of a robot")),
          issue(
            name,
            (hash) => table.add({ name, description, permissions, hash, lifetime: millis(lifetime) }),
            new RobotExists({ name })
          )
        ),
      find: (name) =>
        Effect.flatMap(
          available(table.find(name)),
          (robot) => robot === undefined ? new RobotUnknown({ name }) : Effect.succeed(withoutHash(robot))
        ),
      list: (after) => Effect.map(available(table.list(after, pageSize)), (robots) => robots.map(withoutHash)),
      renew: (name, lifetime) =>
        issue(name, (hash) => table.renew({ name, hash, lifetime: millis(lifetime) }), new RobotUnknown({ name })),
      remove: (name) =>
        Effect.flatMap(
          available(table.remove(name)),
          (removed) => removed ? Effect.void : new RobotUnknown({ name })
        )
    }
  })
