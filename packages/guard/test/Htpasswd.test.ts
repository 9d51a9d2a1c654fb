import { Htpasswd } from "@effect-oci/guard"
import { FileSystem } from "@effect/platform"
import { SystemError } from "@effect/platform/Error"
import { describe, expect, it } from "@effect/vitest"
import * as bcrypt from "bcryptjs"
import { Effect, Either, Exit, Fiber, Logger, Redacted, TestClock } from "effect"
import { beforeEach, vi } from "vitest"
import type { Mock } from "vitest"

vi.mock("bcryptjs", async (importOriginal) => {
  const original = await importOriginal<typeof bcrypt>()
  return { ...original, compare: vi.fn<typeof bcrypt.compare>(original.compare) }
})

/** The mock of bcrypt's comparison, which counts its calls. */
const compare = bcrypt.compare as unknown as Mock<(password: string, hash: string) => Promise<boolean>>

const hashOf = (password: string, cost = 4) => bcrypt.hashSync(password, cost)

const alice = `alice:${hashOf("secret")}`

/** Creates a file that a test can change while it is in use. `undefined` means that the file is missing. */
const makeFile = (initial: string | undefined) => {
  const file = { text: initial }
  const missing = new SystemError({
    module: "FileSystem",
    reason: "NotFound",
    method: "stat",
    pathOrDescriptor: "users"
  })
  const layer = FileSystem.layerNoop({
    stat: () =>
      file.text === undefined
        ? Effect.fail(missing)
        : Effect.succeed({ size: FileSystem.Size(file.text.length) } as FileSystem.File.Info),
    readFileString: () => Effect.sync(() => file.text ?? "")
  })
  return { file, layer }
}

const start = (text: string, options?: Partial<Htpasswd.Options>) => {
  const { file, layer } = makeFile(text)
  return Effect.map(
    Effect.provide(Htpasswd.make({ path: "users", ...options }), layer),
    (users) => ({
      file,
      users,
      check: (username: string, password: string, address?: string) =>
        users.check({ username, password: Redacted.make(password), address })
    })
  )
}

beforeEach(() => {
  compare.mockClear()
})

describe("Htpasswd.parse", () => {
  it("parses the three spellings of bcrypt, and skips comments and empty lines", () => {
    const hash = hashOf("secret").slice(4)
    const text = `# people\r\n\r\na:$2a$${hash}\r\nb:$2b$${hash}\nc:$2y$${hash}\n\n`
    const entries = Either.getOrThrow(Htpasswd.parse(text, "users"))
    expect([...entries.values()].map(({ cost, name }) => [name, cost])).toEqual([["a", 4], ["b", 4], ["c", 4]])
    expect(JSON.stringify([...entries])).not.toContain(hash)
  })

  const secret = "CANARY"
  it.each([
    [
      "MD5",
      `x:$apr1$${secret}$abc`,
      "the password is hashed with MD5, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "SHA-1",
      `x:{SHA}${secret}`,
      "the password is hashed with SHA-1, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "SHA-512",
      `x:$6$${secret}$abc`,
      "the password is hashed with SHA-512, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "Argon2",
      `x:$argon2id$${secret}`,
      "the password is hashed with Argon2, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "no scheme",
      `x:${secret}`,
      "the password is not hashed with bcrypt, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "$2x$",
      `x:$2x$${hashOf(secret).slice(4)}`,
      "the password is not hashed with bcrypt, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "a hash cut short",
      `x:${hashOf(secret).slice(0, -1)}`,
      "the password is not hashed with bcrypt, and only bcrypt is supported: set it again with htpasswd -B"
    ],
    [
      "a cost that takes too long",
      `x:${hashOf(secret).replace("$04$", "$17$")}`,
      "the cost of the password's hash is not between 4 and 16"
    ],
    ["no colon", secret, "the line is not name:hash"],
    ["no name", `:${hashOf(secret)}`, "a user's name has 1 to 255 characters, none of them a control character"],
    [
      "a name too long",
      `${"x".repeat(256)}:${hashOf(secret)}`,
      "a user's name has 1 to 255 characters, none of them a control character"
    ],
    [
      "a control character",
      `${secret}\u001b:${hashOf(secret)}`,
      "a user's name has 1 to 255 characters, none of them a control character"
    ],
    ["a repeated user", `alice:${hashOf(secret)}`, "an earlier line has the same user"]
  ])("names the line and the problem, and shows no content: %s", (_, line, reason) => {
    const error = Either.getOrThrow(Either.flip(Htpasswd.parse(`# x\n${alice}\n${line}\n`, "/etc/users")))
    expect(error.message).toBe(`/etc/users, line 3: ${reason}`)
    expect(`${JSON.stringify(error)}${String(error)}`).not.toMatch(/CANARY|\$/)
  })
})

describe("Htpasswd.make", () => {
  it.scoped("accepts the right password of a user", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`${alice}\nbob:${hashOf("other").replace("$2b$", "$2y$")}`)
      expect((yield* check("alice", "secret")).identity).toEqual({ name: "alice", claims: {} })
      expect((yield* check("bob", "other")).identity.name).toBe("bob")
    }))

  it.scoped("answers the same for a wrong password and for an unknown user, and does the same work", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`alice:${hashOf("secret", 5)}`)
      const wrong = yield* Effect.flip(check("alice", "CANARY"))
      const unknown = yield* Effect.flip(check("unknown", "CANARY"))
      expect(wrong._tag).toBe("OciUnauthorized")
      expect(unknown).toEqual(wrong)
      expect(JSON.stringify(wrong)).not.toMatch(/CANARY|alice/)
      expect(compare.mock.calls.map(([password, hash]) => [password, bcrypt.getRounds(hash)])).toEqual([
        ["CANARY", 5],
        ["CANARY", 5]
      ])
      yield* Effect.flip(check("unknown", ""))
      yield* Effect.flip(check("", ""))
      yield* Effect.flip(check("__proto__", "x"))
      expect(compare).toHaveBeenCalledTimes(5)
    }))

  it.scoped("spends the highest cost of the file on an unknown user", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`bob:${hashOf("x", 4)}\nalice:${hashOf("x", 6)}\ncarol:${hashOf("x", 5)}`)
      yield* Effect.flip(check("unknown", "x"))
      expect(compare.mock.calls.map(([, hash]) => bcrypt.getRounds(hash))).toEqual([6])
    }))

  const long = "é".repeat(36)
  it.scoped.each(
    [
      ["72 bytes", long, long, "alice"],
      ["72 bytes and one more", long, `${long}x`, "OciUnauthorized"],
      ["more than 72 bytes, exactly as the password was set", `${long}x`, `${long}x`, "OciUnauthorized"],
      ["the password repeated after a NUL", "ab", "ab\0ab", "OciUnauthorized"]
    ] as const
  )(
    "accepts a password only if bcrypt distinguishes it from all others: %s",
    ([, password, attempt, outcome]) =>
      Effect.gen(function*() {
        const { check } = yield* start(`alice:${hashOf(password)}`)
        const exit = yield* Effect.either(check("alice", attempt))
        expect(Either.match(exit, { onLeft: ({ _tag }) => _tag, onRight: ({ identity }) => identity.name })).toBe(
          outcome
        )
        if (Either.isLeft(exit)) {
          expect(exit.left.message).toBe("a password has at most 72 bytes, none of them NUL")
          expect(compare).not.toHaveBeenCalled()
        }
      })
  )

  it.scoped("compares a right password once, then remembers it", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice)
      yield* check("alice", "secret")
      expect(Exit.isExit(check("alice", "secret"))).toBe(true)
      expect(Exit.isExit(check("alice", "secret2"))).toBe(false)
      expect(compare).toHaveBeenCalledTimes(1)
      yield* Effect.flip(check("alice", "wrong"))
      yield* Effect.flip(check("alice", "wrong"))
      expect(compare).toHaveBeenCalledTimes(3)
    }))

  it.scoped("refuses a user for a while after too many wrong passwords, from any address", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`${alice}\nbob:${hashOf("other")}`, { maxFailures: 3, window: "30 seconds" })
      for (const address of ["1", "2", "3"]) yield* Effect.flip(check("alice", "wrong", address))
      compare.mockClear()
      expect(yield* Effect.flip(check("alice", "secret", "4"))).toMatchObject({
        _tag: "OciTooManyRequests",
        retryAfter: 10_000
      })
      expect(compare).not.toHaveBeenCalled()
      expect((yield* check("bob", "other", "4")).identity.name).toBe("bob")
      yield* TestClock.adjust("10 seconds")
      expect((yield* check("alice", "secret", "4")).identity.name).toBe("alice")
    }))

  it.scoped("refuses an unknown user name after too many wrong passwords", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailures: 2 })
      const outcomes = []
      for (let i = 0; i < 3; i++) outcomes.push((yield* Effect.flip(check("unknown", "x")))._tag)
      expect(outcomes).toEqual(["OciUnauthorized", "OciUnauthorized", "OciTooManyRequests"])
    }))

  it.scoped("refuses an address that tries many users", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailuresPerAddress: 3 })
      for (const name of ["a", "b", "c"]) yield* Effect.flip(check(name, "x", "192.0.2.1"))
      expect((yield* Effect.flip(check("alice", "secret", "192.0.2.1")))._tag).toBe("OciTooManyRequests")
      expect((yield* check("alice", "secret", "192.0.2.2")).identity.name).toBe("alice")
    }))

  it.scoped("accepts a remembered password from its own address while others guess", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailures: 2 })
      yield* check("alice", "secret", "192.0.2.1")
      yield* Effect.flip(check("alice", "x", "192.0.2.2"))
      yield* Effect.flip(check("alice", "x", "192.0.2.2"))
      expect((yield* Effect.flip(check("alice", "x", "192.0.2.1")))._tag).toBe("OciTooManyRequests")
      expect((yield* check("alice", "secret", "192.0.2.1")).identity.name).toBe("alice")
      // Otherwise the response would reveal to the attacker that a guess is right.
      expect((yield* Effect.flip(check("alice", "secret", "192.0.2.2")))._tag).toBe("OciTooManyRequests")
      expect((yield* Effect.flip(check("alice", "secret")))._tag).toBe("OciTooManyRequests")
    }))

  it.scoped("allows no more guesses from an address with a remembered password than from others", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailures: 2, maxFailuresPerAddress: 6 })
      yield* check("alice", "secret", "192.0.2.1")
      for (let i = 0; i < 6; i++) yield* Effect.flip(check("alice", `guess${i}`, "192.0.2.1"))
      expect((yield* Effect.flip(check("alice", "secret", "192.0.2.1")))._tag).toBe("OciTooManyRequests")
    }))

  it.scoped("keeps the counted guesses of a user, however many other attempts are refused", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailures: 1 })
      yield* Effect.flip(check("alice", "x"))
      const original = compare.getMockImplementation()!
      compare.mockImplementation(() => new Promise(() => {}))
      const name = (i: number) => `user${i}`
      const all = yield* Effect.forEach(
        Array.from({ length: 64 }, (_, i) => name(i)),
        (name) => Effect.fork(Effect.exit(check(name, "x")))
      )
      yield* Effect.yieldNow()
      for (let i = 64; i < 11_000; i++) {
        expect((yield* Effect.flip(check(name(i), "x")))._tag).toBe("OciUnavailable")
      }
      yield* Fiber.interruptAll(all)
      compare.mockImplementation(original)
      expect((yield* Effect.flip(check("alice", "secret")))._tag).toBe("OciTooManyRequests")
    }))

  it.scoped.each([
    ["2001:db8:0:1::1", "2001:DB8:0:1:ffff::2"],
    ["fe80::1%eth0", "fe80::2%eth1"],
    ["::ffff:192.0.2.1", "192.0.2.1"]
  ])("counts as one address: %s and %s", ([one, other]) =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailuresPerAddress: 1 })
      yield* Effect.flip(check("a", "x", one))
      expect((yield* Effect.flip(check("b", "x", other)))._tag).toBe("OciTooManyRequests")
    }))

  it.scoped.each([
    ["2001:db8:0:1::1", "2001:db8:0:2::1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.2"],
    ["192.0.2.1:80", "192.0.2.2:80"],
    ["unix", "::"]
  ])("counts as two addresses: %s and %s", ([one, other]) =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailuresPerAddress: 1 })
      yield* Effect.flip(check("a", "x", one))
      expect((yield* Effect.flip(check("b", "x", other)))._tag).toBe("OciUnauthorized")
    }))

  it.scoped("does not count right passwords against any limit", () =>
    Effect.gen(function*() {
      const names = Array.from({ length: 6 }, (_, i) => `user${i}`)
      const { check } = yield* start(names.map((name) => `${name}:${hashOf(name)}`).join("\n"), {
        maxFailures: 1,
        maxFailuresPerAddress: 2
      })
      for (const name of names) expect((yield* check(name, name, "192.0.2.1")).identity.name).toBe(name)
    }))

  it.scoped("compares no more passwords than the limit for concurrent guesses", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailures: 5 })
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => `guess${i}`),
        (password) => Effect.flip(check("alice", password)),
        { concurrency: "unbounded" }
      )
      expect(outcomes.filter(({ _tag }) => _tag === "OciTooManyRequests")).toHaveLength(35)
      expect(compare).toHaveBeenCalledTimes(5)
    }))

  it.scoped("compares two passwords at once, queues some, and refuses the rest", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice)
      let running = 0
      let maxRunning = 0
      let release = () => {}
      const gate = new Promise<void>((resolve) => {
        release = resolve
      })
      const original = compare.getMockImplementation()!
      compare.mockImplementation(async () => {
        running += 1
        maxRunning = Math.max(maxRunning, running)
        await gate
        running -= 1
        return false
      })
      const fiber = yield* Effect.fork(Effect.forEach(
        Array.from({ length: 80 }, (_, i) => `user${i}`),
        (name) => Effect.flip(check(name, "x")),
        { concurrency: "unbounded" }
      ))
      yield* Effect.yieldNow()
      release()
      const tags = (yield* Fiber.join(fiber)).map(({ _tag }) => _tag)
      expect(tags.filter((tag) => tag === "OciUnavailable")).toHaveLength(16)
      expect(tags.filter((tag) => tag === "OciUnauthorized")).toHaveLength(64)
      expect(maxRunning).toBe(2)
      compare.mockImplementation(original)
    }))

  /** Replaces the comparison by one that waits for the test, and records the passwords in order. */
  const holdComparisons = () => {
    const original = compare.getMockImplementation()!
    const started: Array<string> = []
    const releases: Array<() => void> = []
    compare.mockImplementation((password, hash) => {
      started.push(password)
      return new Promise((resolve) => {
        releases.push(() => resolve(original(password, hash)))
      })
    })
    const releaseNext = Effect.promise(async () => {
      while (releases.length === 0) await new Promise(setImmediate)
      releases.shift()!()
    })
    return { started, releaseNext, restore: () => compare.mockImplementation(original) }
  }

  it.scoped("gives addresses turns, those that sent a right password before first", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`${alice}\nbob:${hashOf("other")}`)
      yield* check("bob", "other", "192.0.2.9")
      const { started, releaseNext, restore } = holdComparisons()
      const ask = (name: string, address: string) =>
        Effect.fork(Effect.exit(check(name, `${name} ${address}`, address)))
      const fibers = []
      for (let i = 0; i < 5; i++) fibers.push(yield* ask(`a${i}`, "192.0.2.1"))
      for (const name of ["b0", "b1"]) fibers.push(yield* ask(name, "192.0.2.2"))
      fibers.push(yield* ask("c", "192.0.2.3"), yield* ask("known", "192.0.2.9"))
      yield* Effect.yieldNow()
      for (let i = 0; i < fibers.length; i++) yield* releaseNext
      yield* Fiber.joinAll(fibers)
      restore()
      expect(started.map((password) => password.split(" ")[0])).toEqual([
        "a0",
        "a1",
        "known",
        "a2",
        "b0",
        "c",
        "a3",
        "b1",
        "a4"
      ])
    }))

  it.scoped("gives the place of an address with many attempts to an address with none", () =>
    Effect.gen(function*() {
      const { check } = yield* start(alice, { maxFailuresPerAddress: 100 })
      const { releaseNext, restore } = holdComparisons()
      const guesses = yield* Effect.forEach(Array.from({ length: 70 }, (_, i) => `user${i}`), (name) =>
        Effect.fork(Effect.flip(check(name, "x", "192.0.2.1"))))
      yield* Effect.yieldNow()
      const right = yield* Effect.fork(check("alice", "secret", "192.0.2.2"))
      yield* Effect.yieldNow()
      for (let i = 0; i < 64; i++) {
        yield* releaseNext
      }
      const tags = (yield* Fiber.joinAll(guesses)).map(({ _tag }) =>
        _tag
      )
      restore()
      expect((yield* right).identity.name).toBe("alice")
      expect(tags.filter((tag) => tag === "OciUnavailable")).toHaveLength(7)
    }))

  it.scoped("reserves places for addresses that sent a right password, while many others guess", () =>
    Effect.gen(function*() {
      const { check } = yield* start(`${alice}\nbob:${hashOf("other")}`)
      yield* check("bob", "other", "192.0.2.200")
      const { releaseNext, restore } = holdComparisons()
      const guesses = yield* Effect.forEach(
        Array.from({ length: 64 }, (_, i) => i),
        (i) => Effect.fork(Effect.flip(check(`user${i}`, "x", `192.0.2.${i}`)))
      )
      yield* Effect.yieldNow()
      expect((yield* Effect.flip(check("alice", "secret", "192.0.2.100")))._tag).toBe("OciUnavailable")
      const right = yield* Effect.fork(check("alice", "secret", "192.0.2.200"))
      yield* Effect.yieldNow()
      for (let i = 0; i < 64; i++) yield* releaseNext
      yield* Fiber.joinAll(guesses)
      restore()
      expect((yield* right).identity.name).toBe("alice")
    }))

  it.scoped("uses the changes of the file", () =>
    Effect.gen(function*() {
      const { check, file, users } = yield* start(alice, { reloadEvery: "2 seconds" })
      const before = yield* check("alice", "secret")
      expect(yield* users.find("alice")).toBe(before)
      file.text = `alice:${hashOf("new")}\nbob:${hashOf("other")}`
      yield* TestClock.adjust("2 seconds")
      expect((yield* Effect.flip(check("alice", "secret")))._tag).toBe("OciUnauthorized")
      const after = yield* check("alice", "new")
      expect(after.version).not.toBe(before.version)
      expect((yield* check("bob", "other")).identity.name).toBe("bob")
      file.text = "# no users"
      yield* TestClock.adjust("2 seconds")
      expect((yield* Effect.flip(check("alice", "new")))._tag).toBe("OciUnauthorized")
      expect(yield* users.find("alice")).toBeUndefined()
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))

  it.scoped("gives an account the same version wherever the file is read, without revealing the hash", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* start(alice), yield* start(alice)]
      const { version } = yield* one.check("alice", "secret")
      expect((yield* other.check("alice", "secret")).version).toBe(version)
      expect(version).not.toContain(alice.slice("alice:".length))
    }))

  it.scoped("keeps the known users while the file is malformed or missing, and logs it once", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, message }) => {
        lines.push(`${String(message)} ${JSON.stringify([...annotations])}`)
      })
      const { check, file } = yield* Effect.provide(
        start(alice, { reloadEvery: "1 second" }),
        Logger.replace(Logger.defaultLogger, logger)
      )
      for (const text of [`x:CANARY`, `x:CANARY`, undefined, undefined, alice, `x:CANARY`]) {
        file.text = text
        yield* TestClock.adjust("3 seconds")
        expect((yield* check("alice", "secret")).identity.name).toBe("alice")
      }
      expect(lines.map((line) => /line 1|NotFound/.exec(line)?.[0])).toEqual(["line 1", "NotFound", "line 1"])
      expect(lines.join()).not.toContain("CANARY")
    }))

  it.scoped.each([
    ["is malformed", "alice", "users, line 1: the line is not name:hash"],
    ["is too large", "#".repeat(1024 * 1024 + 1), "users: the file has more than 1048576 bytes"],
    ["is missing", undefined, "NotFound"]
  ])("does not start if the file %s", ([, text, message]) =>
    Effect.gen(function*() {
      const { layer } = makeFile(text)
      const error = yield* Effect.flip(Effect.provide(Htpasswd.make({ path: "users" }), layer))
      expect(error.message).toContain(message)
    }))
})
