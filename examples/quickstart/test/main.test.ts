import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll } from "vitest"
import { build, freePort, listen, run, runIn } from "./quickstart.js"

beforeAll(build, 120_000)

describe("the quickstart", () => {
  it.scopedLive("demonstrates a registry that is served, called and made read-only, and exits with --once", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const quickstart = yield* run(port, "--once")
      expect(yield* quickstart.ended).toBe(0)
      const shown = quickstart.stdout()
      const steps = ["serving", "showing", "keeping", "pushing", "listing", "pulled", "refused"]
      expect(shown.split("\n").map((line) => line.split(" ", 1)[0]).filter((word) => word !== "")).toEqual(steps)
      expect(shown).toContain(`http://127.0.0.1:${port}`)
      expect(shown).toContain("repository: team/hello; tags: v1")
      expect(shown).toMatch(/^pulled +sha256:[0-9a-f]{64}, 1 layer of \d+ bytes/m)
      expect(shown).toMatch(/^refused .* OciUnsupported$/m)
      expect(quickstart.stderr()).toMatch(/ PushManifest team\/hello v1 Success/)
    }))

  it.scopedLive.each(["SIGINT", "SIGTERM"] as const)(
    "serves the pushed image, exits on %s, and frees the port",
    (signal) =>
      Effect.gen(function*() {
        const port = yield* freePort
        const quickstart = yield* run(port)
        yield* quickstart.serving
        const tags = yield* Effect.promise(async () =>
          (await fetch(`http://127.0.0.1:${port}/v2/team/hello/tags/list`)).json()
        )
        expect(tags).toEqual({ name: "team/hello", tags: ["v1"] })
        yield* quickstart.signal(signal)
        expect(yield* Effect.timeout(quickstart.ended, "4 seconds")).toBe(0)
        expect(yield* Effect.scoped(listen(port))).toBe(port)
      })
  )

  it.scopedLive("keeps its content in a directory, and lists it at the next start", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "quickstart-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const first = yield* runIn(directory, yield* freePort)
      yield* first.serving
      yield* first.signal("SIGKILL")
      yield* first.ended
      const second = yield* runIn(directory, yield* freePort, "--once")
      expect(yield* second.ended).toBe(0)
      expect(second.stdout()).toContain(`keeping  its content in ${directory}\nfound    team/hello: v1\n`)
      expect(second.stdout()).not.toContain("pushing")
    }))

  it.scopedLive("prints in one line that its port is in use", () =>
    Effect.gen(function*() {
      const port = yield* listen()
      const quickstart = yield* run(port)
      expect(yield* quickstart.ended).toBe(1)
      expect(quickstart.stdout()).toBe("")
      expect(quickstart.stderr()).toBe(
        `quickstart: cannot listen on 127.0.0.1:${port}: the port is taken by another program\n`
      )
    }))

  it.scopedLive("prints in one line that its port is not valid", () =>
    Effect.gen(function*() {
      const quickstart = yield* run(70_000)
      expect(yield* quickstart.ended).toBe(1)
      expect(quickstart.stderr()).toMatch(/^quickstart: .*PORT.*"70000".*\n$/)
    }))
})
