/** Tests of credential helpers, and of the processes that run them. */
import * as Origin from "@effect-oci/transport/Origin"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, TestClock } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterAll } from "vitest"
import * as Credential from "../src/Credential.js"
import * as CredentialHelper from "../src/CredentialHelper.js"
import { helperRunner } from "../src/NodeCredentials.js"

const origin = Origin.parse("https://registry.example.com:5000")!

const ending = (output: string, exitCode = 0): CredentialHelper.Runner => ({
  run: () => Effect.succeed({ exitCode, output })
})

describe("CredentialHelper.get", () => {
  const names = ["../x", "a/b", "a;b", "$(x)", "a b", "a\0b", "", "a\nb", "-".repeat(101), "`x`", "ä"]
  it.effect.each(names)("does not run a helper with an invalid name: %j", (name) =>
    Effect.gen(function*() {
      const runner = { run: () => Effect.die("the helper was run") }
      const failure = yield* Effect.flip(CredentialHelper.get(runner, name, origin))
      expect(failure.message).toMatch(/^the name of a credential helper may contain/)
    }))

  const answers: ReadonlyArray<readonly [output: string, entry: Credential.Entry]> = [
    [`{"ServerURL":"","Username":"a","Secret":"b"}`, [Credential.basic("a", "b")]],
    [`{"Username":"<token>","Secret":"b"}\n`, [Credential.identityToken("b")]],
    [`{"Username":"","Secret":""}`, []],
    [`{"ServerURL":null,"Username":null,"Secret":null}`, []]
  ]
  it.effect.each(answers)("parses the output of a helper: %s", ([output, entry]) =>
    Effect.gen(function*() {
      expect(yield* CredentialHelper.get(ending(output), "x", origin)).toEqual(entry)
    }))

  const rubbish = ["", "CANARY", "null", "[]", `{"Username":"CANARY"}`, `{"Username":1,"Secret":"CANARY"}`]
  it.effect.each(rubbish)("fails for invalid output without showing it: %s", (output) =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(CredentialHelper.get(ending(output), "x", origin))
      expect(failure.message).toBe(
        "cannot get the credentials of https://registry.example.com:5000 from docker-credential-x: it answered without " +
          `a user and a secret; see what "echo registry.example.com:5000 | docker-credential-x get" writes`
      )
    }))

  const failures: ReadonlyArray<readonly [name: string, output: string, shown: string]> = [
    ["the text of the helper", "error: the keyring is locked\n", " (error: the keyring is locked); log in"],
    ["several lines joined into one", "a\n\n b\t\tc", " (a b c); log in"],
    ["escaped control characters", "\u001b[2Jx\u202e", " (\\u001b[2Jx\\u202e); log in"],
    ["at most 300 characters", "x".repeat(60_000), ` (${"x".repeat(300)}…); log in`],
    ["no secret", `{"Username":"alice","Secret":"CANARY"}`, "; see what"],
    ["nothing", "", "; see what"]
  ]
  it.effect.each(failures)("fails with an error that contains %s", ([, output, shown]) =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(CredentialHelper.get(ending(output, 2), "x", origin))
      expect(failure.message).toContain(`from docker-credential-x: it failed with exit code 2${shown}`)
      expect(JSON.stringify(failure)).not.toContain("CANARY")
    }))

  it.effect.each(
    [
      [undefined, "60 seconds", "1m"],
      [{ timeout: "5 seconds" }, "5 seconds", "5s"]
    ] as const
  )("fails after the timeout of the helper: %j", ([options, timeout, shown]) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(CredentialHelper.get({ run: () => Effect.never }, "x", origin, options))
      yield* TestClock.adjust(Duration.subtract(timeout, "1 millis"))
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      yield* TestClock.adjust("1 millis")
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain(`did not answer within ${shown}; unlock its store`)
    }))
})

describe.skipIf(process.platform === "win32")("NodeCredentials.helperRunner", () => {
  const folder = mkdtempSync(join(tmpdir(), "effect-oci-auth-"))
  const path = process.env["PATH"]
  process.env["PATH"] = `${folder}${delimiter}${path}`
  afterAll(() => {
    process.env["PATH"] = path
    rmSync(folder, { recursive: true })
  })

  const script = (name: string, text: string) => {
    const file = join(folder, `docker-credential-${name}`)
    writeFileSync(file, `#!/bin/sh\n${text}\n`)
    chmodSync(file, 0o755)
  }
  const get = (name: string) => CredentialHelper.get(helperRunner, name, origin)

  it.effect("passes the host on standard input, and `get` as an argument", () =>
    Effect.gen(function*() {
      script("echo", `read host; echo "{\\"Username\\":\\"$1 $#\\",\\"Secret\\":\\"$host\\"}"; echo CANARY >&2`)
      expect(yield* get("echo")).toEqual([Credential.basic("get 1", "registry.example.com:5000")])
    }))

  it.effect("returns no credentials if the helper has none", () =>
    Effect.gen(function*() {
      script("none", "echo 'credentials not found in native keychain'; exit 1")
      expect(yield* get("none")).toEqual([])
    }))

  it.effect("fails if the helper is missing, fails, or cannot be run", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(get("missing"))).message).toBe(
        "docker-credential-missing is not installed, or not in PATH"
      )
      script("failing", "echo 'no keyring'; echo CANARY >&2; exit 3")
      expect((yield* Effect.flip(get("failing"))).message).toMatch(/failed with exit code 3 \(no keyring\)/)
      script("denied", "")
      chmodSync(join(folder, "docker-credential-denied"), 0o644)
      expect((yield* Effect.flip(get("denied"))).message).toBe("docker-credential-denied cannot be run: EACCES")
    }))

  it.live("kills a helper that writes without end", () =>
    Effect.gen(function*() {
      script("endless", "exec yes CANARY")
      expect((yield* Effect.flip(get("endless"))).message).toBe("docker-credential-endless wrote more than 65536 bytes")
    }))

  const isAlive = (id: number) => {
    try {
      return process.kill(id, 0)
    } catch {
      return false
    }
  }
  const written = (file: string) => {
    const read = Effect.tryPromise(() => readFile(join(folder, file), "utf8"))
    return Effect.map(
      Effect.repeat(Effect.orElseSucceed(read, () => ""), { until: (text) => text.endsWith("\n") }),
      Number
    )
  }
  const ended = (id: number) => Effect.repeat(Effect.sync(() => isAlive(id)), { until: (alive) => !alive })

  const children: ReadonlyArray<readonly [name: string, script: string]> = [
    ["the helper itself", `echo $$ > $PIDS; exec sleep 600`],
    ["its child", `sleep 600 & echo $! > $PIDS; wait`],
    ["the child of a helper that has ended", `sleep 600 & echo $! > $PIDS`],
    ["its grandchild", `(sleep 600 & echo $! > $PIDS; wait) & wait`]
  ]
  it.live.each(children)("kills a process if the caller is interrupted: %s", ([name, text]) =>
    Effect.gen(function*() {
      const id = name.replaceAll(" ", "-")
      script(id, text.replace("$PIDS", join(folder, `${id}.pid`)))
      const fiber = yield* Effect.fork(get(id))
      const pid = yield* written(`${id}.pid`)
      expect(isAlive(pid)).toBe(true)
      yield* Fiber.interrupt(fiber)
      yield* ended(pid)
    }))

  it.live("kills a helper and its child after the timeout", () =>
    Effect.gen(function*() {
      script("slow", `sleep 600 & echo $! > ${join(folder, "slow.pid")}; wait`)
      const failure = yield* Effect.flip(CredentialHelper.get(helperRunner, "slow", origin, { timeout: "1 second" }))
      expect(failure.message).toContain("did not answer within 1s")
      yield* ended(yield* written("slow.pid"))
    }))
})
