/** Helpers, and the processes that run them. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, TestClock } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterAll } from "vitest"
import * as Credential from "../src/Credential.js"
import * as CredentialHelper from "../src/CredentialHelper.js"
import { helperRunner } from "../src/NodeCredentials.js"
import * as Origin from "../src/Origin.js"

const origin = Option.getOrThrow(Origin.parse("https://registry.example.com:5000"))

const ending = (output: string, exitCode = 0): CredentialHelper.Runner => ({
  run: () => Effect.succeed({ exitCode, output })
})

describe("a helper", () => {
  const names = ["../x", "a/b", "a;b", "$(x)", "a b", "a\0b", "", "a\nb", "-".repeat(101), "`x`", "ä"]
  it.effect.each(names)("of a name that is none is not run: %j", (name) =>
    Effect.gen(function*() {
      const runner = { run: () => Effect.die("it was run") }
      const failure = yield* Effect.flip(CredentialHelper.get(runner, name, origin))
      expect(failure.message).toMatch(/^the name of a credential helper may hold/)
    }))

  const answers: ReadonlyArray<readonly [output: string, entry: Credential.Entry]> = [
    [`{"ServerURL":"","Username":"a","Secret":"b"}`, [Credential.basic("a", "b")]],
    [`{"Username":"<token>","Secret":"b"}\n`, [Credential.identityToken("b")]],
    [`{"Username":"","Secret":""}`, []]
  ]
  it.effect.each(answers)("is understood: %s", ([output, entry]) =>
    Effect.gen(function*() {
      expect(yield* CredentialHelper.get(ending(output), "x", origin)).toEqual(entry)
    }))

  const rubbish = ["", "CANARY", "null", "[]", `{"Username":"CANARY"}`, `{"Username":1,"Secret":"CANARY"}`]
  it.effect.each(rubbish)("that answers rubbish is an error without it: %s", (output) =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(CredentialHelper.get(ending(output), "x", origin))
      expect(failure.message).toBe(
        "docker-credential-x, asked for the credentials of https://registry.example.com:5000, gave an answer that is " +
          "none of a credential helper"
      )
    }))

  it.effect("that does not answer is given up after 5 seconds", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(CredentialHelper.get({ run: () => Effect.never }, "x", origin))
      yield* TestClock.adjust("4999 millis")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      yield* TestClock.adjust("1 millis")
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && String(exit.cause)).toMatch(/did not answer within 5 seconds/)
    }))
})

describe.skipIf(process.platform === "win32")("a process", () => {
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

  it.effect("gets the host on its standard input, and `get` for an argument", () =>
    Effect.gen(function*() {
      script("echo", `read host; echo "{\\"Username\\":\\"$1 $#\\",\\"Secret\\":\\"$host\\"}"; echo CANARY >&2`)
      expect(yield* get("echo")).toEqual([Credential.basic("get 1", "registry.example.com:5000")])
    }))

  it.effect("that has no credentials says so", () =>
    Effect.gen(function*() {
      script("none", "echo 'credentials not found in native keychain'; exit 1")
      expect(yield* get("none")).toEqual([])
    }))

  it.effect("that is missing, fails, or cannot be run is an error", () =>
    Effect.gen(function*() {
      expect((yield* Effect.flip(get("missing"))).message).toBe(
        "docker-credential-missing is not installed, or not in PATH"
      )
      script("failing", "echo CANARY; echo CANARY >&2; exit 3")
      expect((yield* Effect.flip(get("failing"))).message).toMatch(/failed with exit code 3$/)
      script("denied", "")
      chmodSync(join(folder, "docker-credential-denied"), 0o644)
      expect((yield* Effect.flip(get("denied"))).message).toBe("docker-credential-denied cannot be run: EACCES")
    }))

  it.live("that prints without end is killed", () =>
    Effect.gen(function*() {
      script("endless", "exec yes CANARY")
      expect((yield* Effect.flip(get("endless"))).message).toBe("docker-credential-endless wrote more than 65536 bytes")
    }))

  it.live("that hangs is killed with whoever waits for it", () =>
    Effect.gen(function*() {
      const pid = join(folder, "pid")
      script("hanging", `echo $$ > ${pid}; exec sleep 600`)
      const fiber = yield* Effect.fork(get("hanging"))
      const read = Effect.tryPromise(() => import("node:fs/promises").then((fs) => fs.readFile(pid, "utf8")))
      const id = Number(
        yield* Effect.repeat(Effect.orElseSucceed(read, () => ""), { until: (text) => text.endsWith("\n") })
      )
      yield* Fiber.interrupt(fiber)
      const isAlive = Effect.sync(() => {
        try {
          return process.kill(id, 0)
        } catch {
          return false
        }
      })
      yield* Effect.repeat(isAlive, { until: (alive) => !alive })
      expect(yield* isAlive).toBe(false)
    }))
})
